"""Rows of evidence for tests of other rooms, whose code itself asks selectors."""

from guildhall.evidence.models import ConsumerCursor, DeadLetter, OutboxEvent

__all__ = ["ConsumerCursor", "DeadLetter", "OutboxEvent"]
