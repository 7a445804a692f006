"""Rows of evidence for tests of other rooms, whose code itself asks selectors."""

from guildhall.evidence.models import AuditEntry, AuditPayload, ConsumerCursor, DeadLetter, OutboxEvent

__all__ = ["ConsumerCursor", "DeadLetter", "OutboxEvent", "secret_reads", "trail"]


def secret_reads() -> list[tuple[str, str, str, str]]:
    """Of each secret that was opened: whose it is, who opened it, what it is and what for, in order."""
    rows = AuditEntry.objects.filter(kind="delivery.secret.read").select_related("payload").order_by("id")
    return [
        (row.subject, row.actor_ref, row.payload.body["event"]["what"], row.payload.body["event"]["purpose"])
        for row in rows
    ]


def trail() -> str:
    """All that the audit trail of the tenant says, as text."""
    return " ".join(map(str, [*AuditEntry.objects.values_list(), *AuditPayload.objects.values_list("body", flat=True)]))
