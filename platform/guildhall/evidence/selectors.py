"""Reading evidence: a tenant's stream by position and the trail of an item."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import F, Max, Q

from guildhall.evidence.models import AuditEntry, OutboxEvent


def head_position() -> int:
    """The current tenant's last position; 0 before the first event."""
    return OutboxEvent.objects.aggregate(head=Max("position"))["head"] or 0


def events_after(position: int, limit: int = 200) -> list[dict[str, Any]]:
    """Up to `limit` events after `position`, in order: position, kind, subject, payload, actor, at."""
    rows = OutboxEvent.objects.filter(position__gt=position).order_by("position")[:limit]
    fields = ("position", "kind", "version", "subject", "payload", "actor", "operation_id", "at")
    return [dict(zip(fields, row, strict=True)) for row in rows.values_list(*fields)]


def all_events(kinds: list[str]) -> Iterator[dict[str, Any]]:
    """Every event of these kinds in order, those without a position yet last: kind, version, subject, payload.

    Read in batches; inside a transaction all of them are of one moment if its isolation level says so.
    """
    rows = OutboxEvent.objects.filter(kind__in=kinds).order_by(F("position").asc(nulls_last=True), "id")
    fields = ("position", "kind", "version", "subject", "payload")
    for row in rows.values_list(*fields).iterator(chunk_size=1000):
        yield dict(zip(fields, row, strict=True))


def trail(subjects: list[str], limit: int = 100, *, before: int | None = None) -> list[dict[str, Any]]:
    """What was done to `subjects`, newest first: at, kind, action, outcome, subject, actor, sentence, reason.

    `before` is the id of an entry: only older ones, for the next page.
    """
    wanted = Q(subject__in=subjects) & (Q() if before is None else Q(id__lt=before))
    entries = AuditEntry.objects.filter(wanted).select_related("payload").order_by("-id")[:limit]
    return [_shown(entry) for entry in entries]


def recent(
    *,
    kinds: list[str] | None = None,
    outcome: str | None = None,
    subject: str | None = None,
    actor: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """The newest audit entries of the current tenant, of these kinds, this outcome, subject, actor where given.

    `before` is the id of an entry: only older ones, for the next page.
    """
    wanted = Q(kind__in=kinds) if kinds else Q()
    if before is not None:
        wanted &= Q(id__lt=before)
    for column, value in (("outcome", outcome), ("subject", subject), ("actor_ref", actor)):
        if value:
            wanted &= Q(**{column: value})
    entries = AuditEntry.objects.filter(wanted).select_related("payload").order_by("-id")[:limit]
    return [_shown(entry) for entry in entries]


def done_since(*, kinds: list[str], subject: str, since: datetime) -> bool:
    """Whether any of `kinds` was done to `subject` after `since`: what a consumer asks before it does it once more."""
    entries = AuditEntry.objects.filter(kind__in=kinds, subject=subject, outcome="done", at__gt=since)
    return entries.exists()


def _shown(entry: AuditEntry) -> dict[str, Any]:
    body = entry.payload.body
    return {
        "id": entry.pk,
        "at": entry.at,
        "kind": entry.kind,
        "action": entry.action,
        "outcome": entry.outcome,
        "subject": entry.subject,
        "actor": body["actor"],
        "sentence": body["sentence"],
        "reason": body["reason"],
        "event": body["event"],
        "operation_id": str(entry.operation_id),
        "trace_id": entry.trace_id,
    }
