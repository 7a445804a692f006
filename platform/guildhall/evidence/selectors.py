"""Reading evidence: a tenant's stream by position and the trail of an item."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import CharField, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Concat

from guildhall.evidence.models import AuditEntry, AuditExpiry, AuditSeal, ConsumerCursor, OutboxEvent


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
    entries = AuditEntry.objects.filter(wanted).select_related("payload", "link").order_by("-id")[:limit]
    return [_shown(entry) for entry in entries]


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """What to look for in the audit trail. `kind` ending in a dot means everything below it; `text` is looked for in
    what happened and why, in any case; `since` counts, `until` does not; `among` bounds what the entries are about, by their
    `subject`."""

    kind: str = ""
    kinds: tuple[str, ...] = ()
    outcome: str = ""
    subject: str = ""
    actor: str = ""
    operation: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    among: Q = field(default_factory=Q)

    def condition(self) -> Q:
        """The same for the database."""
        wanted = Q(kind__in=self.kinds) & self.among if self.kinds else self.among
        if self.kind:
            wanted &= Q(kind__startswith=self.kind) if self.kind.endswith(".") else Q(kind=self.kind)
        for column in ("outcome", "subject"):
            if value := getattr(self, column):
                wanted &= Q(**{column: value})
        if self.actor:
            wanted &= Q(actor_ref=self.actor)
        if self.operation:
            wanted &= Q(operation_id=self.operation)
        if self.text:
            wanted &= Q(payload__body__sentence__icontains=self.text) | Q(payload__body__reason__icontains=self.text)
        if self.since:
            wanted &= Q(at__gte=self.since)
        if self.until:
            wanted &= Q(at__lt=self.until)
        return wanted


def about_rows(kind: str, rows: QuerySet[Any], column: str = "pk") -> Q:
    """Entries that are about one of `rows`, which the trail calls `kind` and what stands in `column`."""
    named = rows.order_by().annotate(named=Concat(Value(f"{kind}:"), Cast(column, CharField())))
    return Q(subject__in=named.values("named"))


def search_trail(wanted: TrailFilter, *, before: int | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """The newest entries of the current tenant that `wanted` keeps. `before` is an entry's id: only older ones."""
    condition = wanted.condition() & (Q() if before is None else Q(id__lt=before))
    entries = AuditEntry.objects.filter(condition).select_related("payload", "link").order_by("-id")[:limit]
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
    wanted = TrailFilter(kinds=tuple(kinds or ()), outcome=outcome or "", subject=subject or "", actor=actor or "")
    return search_trail(wanted, before=before, limit=limit)


def chain_state() -> dict[str, Any]:
    """Of the current tenant's chain: how many entries have their place, how many wait for it, the last seal and its time,
    and how many of them are gone because their time was over."""
    seal = AuditSeal.objects.order_by("-position").first()
    sealed = seal.position if seal else 0
    waiting = AuditEntry.objects.filter(link__isnull=True).count()
    root = bytes(seal.root).hex() if seal else ""
    expired = AuditExpiry.objects.aggregate(last=Max("position"))["last"] or 0
    return {"sealed": sealed, "waiting": waiting, "root": root, "at": seal.at if seal else None, "expired": expired}


def done_since(*, kinds: list[str], subject: str, since: datetime) -> bool:
    """Whether any of `kinds` was done to `subject` after `since`: what a consumer asks before it does it once more."""
    entries = AuditEntry.objects.filter(kind__in=kinds, subject=subject, outcome="done", at__gt=since)
    return entries.exists()


def undelivered(*, consumer: str, kind: str) -> list[dict[str, Any]]:
    """What the current tenant's events of `kind` say that `consumer` has neither handled nor given up on."""
    read = ConsumerCursor.objects.filter(consumer=consumer).values("position")
    ahead = Q(position=None) | Q(position__gt=Coalesce(Subquery(read), 0))
    return list(OutboxEvent.objects.filter(ahead, kind=kind).values_list("payload", flat=True))


def unanswered(*, kind: str, answers: list[str]) -> list[str]:
    """Subjects of what was done of `kind` and that none of `answers` was done to since."""
    answer = AuditEntry.objects.filter(
        kind__in=answers, subject=OuterRef("subject"), outcome="done", pk__gt=OuterRef("pk")
    )
    asked = AuditEntry.objects.filter(~Exists(answer), kind=kind, outcome="done")
    return sorted(set(asked.values_list("subject", flat=True)))


ERASED = "did something; what it was has been erased"


def _shown(entry: AuditEntry) -> dict[str, Any]:
    payload = getattr(entry, "payload", None)
    body = payload.body if payload else {}
    kind, _, identity = entry.actor_ref.partition(":")
    link = getattr(entry, "link", None)
    return {
        "id": entry.pk,
        "at": entry.at,
        "kind": entry.kind,
        "action": entry.action,
        "outcome": entry.outcome,
        "subject": entry.subject,
        "actor": body.get("actor", {"ref": entry.actor_ref, "kind": kind, "name": identity}),
        "sentence": body.get("sentence", ERASED),
        "reason": body.get("reason", ""),
        "event": body.get("event", {}),
        "before": body.get("before"),
        "after": body.get("after"),
        "address": body.get("address", ""),
        "via": body.get("via", ""),
        "erased": payload is None,
        "position": link.position if link else None,
        "operation_id": str(entry.operation_id),
        "trace_id": entry.trace_id,
    }
