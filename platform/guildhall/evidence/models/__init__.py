"""Tables of the `evidence` schema. Only this room touches them."""

from guildhall.evidence.models.audit import AuditEntry, AuditErasure, AuditExpiry, AuditLink, AuditPayload, AuditSeal
from guildhall.evidence.models.outbox import ConsumerCursor, DeadLetter, OutboxEvent

__all__ = [
    "AuditEntry",
    "AuditErasure",
    "AuditExpiry",
    "AuditLink",
    "AuditPayload",
    "AuditSeal",
    "ConsumerCursor",
    "DeadLetter",
    "OutboxEvent",
]
