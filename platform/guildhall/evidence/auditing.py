"""What people do with the audit trail: have it verified, take it out of the house, have a person's words forgotten."""

from collections.abc import Mapping

from django.conf import settings
from django.db import connection

from guildhall.evidence.chain import Report, verify
from guildhall.evidence.events import AuditExported, AuditVerified, PayloadsErased
from guildhall.evidence.models import AuditEntry, AuditErasure
from guildhall.evidence.policies import refuse_clients
from guildhall.evidence.roots import read_expired, read_published
from guildhall.evidence.selectors import chain_state
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid

MOST_ERASED = 5000
MOST_VERIFIED = 200_000
"""Entries that a page has recomputed while somebody waits: seconds."""


@governed("audit.erase", lock=None)
def erase_payloads(*, actor: Actor, about: str, reason: str) -> int:
    """Have everything forgotten that entries of the actor `about` (such as `person:12`) say; how many entries.

    The sealer deletes the payloads within seconds; entries, digests and the chain stay, and `verify_audit` counts what
    was erased. At most 5,000 at a time: repeat it until it answers 0. Raises `Invalid`.
    """
    if not about.startswith("person:") or not reason.strip():
        raise Invalid("Name a person and say why.", fields={"about": ["person:… and a reason are needed."]})
    entries = AuditEntry.objects.filter(actor_ref=about, payload__isnull=False).order_by("id")
    known = AuditErasure.objects.values("entry_id")
    due = list(entries.exclude(pk__in=known).values_list("pk", flat=True)[:MOST_ERASED])
    record(PayloadsErased(subject=about, count=len(due), reason=reason.strip()), actor=actor, reason=reason)
    asked = AuditEntry.objects.filter(kind=PayloadsErased.kind, subject=about).latest("id")
    AuditErasure.objects.bulk_create(
        [AuditErasure(entry_id=entry, tenant=actor.tenant, asked_by=asked.pk) for entry in due]
    )
    return len(due)


@governed("audit.export", lock=None)
def note_export(*, actor: Actor, form: str, filters: Mapping[str, str]) -> None:
    """Write an export down before its first line leaves."""
    record(AuditExported(subject="audit", form=form, filters=dict(filters)), actor=actor)


@governed("audit.verify", lock=None)
def note_verified(*, actor: Actor, report: Report) -> None:
    """Write down that somebody had the chain verified, and with what result."""
    problem = str(report.broken) if report.broken else ""
    event = AuditVerified(subject="audit", entries=report.entries, erased=report.erased, problem=problem)
    record(event, actor=actor, reason=problem)


def verify_own(actor: Actor) -> Report:
    """Recompute the chain of the actor's own organisation, with what the database lets it read, and write that down.

    Raises `Denied` for clients, `Conflict` for a chain that is too long to wait for.
    """
    refuse_clients(actor)
    if chain_state()["sealed"] > MOST_VERIFIED:
        raise Conflict(f"More than {MOST_VERIFIED:,} entries: have the operator run verify_audit.")
    published = read_published(settings.SEALS_DIR).get(actor.tenant, {})
    expired = read_expired(settings.SEALS_DIR).get(actor.tenant, {})
    with connection.cursor():  # the scope's role is set when a cursor is opened
        report = verify(connection.connection, actor.tenant, published, expired)
    note_verified(actor=actor, report=report)
    return report
