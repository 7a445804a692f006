"""Delivering placed events to durable consumers: leased, fenced, retried, and in the end kept as a dead letter."""

import logging
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from guildhall.evidence.models import ConsumerCursor, DeadLetter, OutboxEvent
from guildhall.kernel.consumers import Consumer, Delivered
from guildhall.kernel.events import load_event
from guildhall.kernel.operation import operation_scope

logger = logging.getLogger(__name__)
LEASE = timedelta(seconds=120)
BATCH = 100
MAX_ATTEMPTS = 6

CLAIM = """
INSERT INTO consumer_cursor AS c (consumer, lease_token, leased_until)
VALUES (%(consumer)s, %(token)s, now() + %(lease)s)
ON CONFLICT (tenant, consumer) DO UPDATE SET lease_token = %(token)s, leased_until = now() + %(lease)s
WHERE (c.leased_until IS NULL OR c.leased_until < now()) AND (c.retry_at IS NULL OR c.retry_at <= now())
RETURNING position, attempts
"""


@dataclass(slots=True)
class _Reader:
    consumer: Consumer
    token: str
    position: int
    attempts: int


def deliver(consumer: Consumer) -> int:
    """Hand `consumer` what it has not read in the current tenant; the number of events passed over.

    Does nothing when another process is at it. Every event either is handled, waits for its retry, or becomes a dead letter.
    """
    reader = _claim(consumer)
    if reader is None:
        return 0
    passed = 0
    try:
        while batch := _next(reader):
            for row in batch:
                if not _pass(reader, row):
                    return passed
                passed += 1
    finally:
        _let_go(reader)
    return passed


def _claim(consumer: Consumer) -> _Reader | None:
    token = str(uuid.uuid4())
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"consumer": consumer.name, "token": token, "lease": LEASE})
        row = cursor.fetchone()
    return _Reader(consumer, token, row[0], row[1]) if row else None


def _next(reader: _Reader) -> list[OutboxEvent]:
    return list(OutboxEvent.objects.filter(position__gt=reader.position).order_by("position")[:BATCH])


def _pass(reader: _Reader, row: OutboxEvent) -> bool:
    """Handle one event and move on; False when it must be tried again later or the lease went to another reader."""
    if row.kind in reader.consumer.kinds:
        try:
            _handle(reader.consumer, row)
        except Exception as error:
            logger.exception("consumer %s failed at %s", reader.consumer.name, row.position)
            connection.close()
            return _failed(reader, row, f"{type(error).__name__}: {error}")
    return _advance(reader, row)


def _handle(consumer: Consumer, row: OutboxEvent) -> None:
    assert row.position is not None
    event = Delivered(
        id=row.pk,
        tenant=row.tenant,
        position=row.position,
        kind=row.kind,
        version=row.version,
        data=load_event(row.kind, row.version, row.payload),
        actor=row.actor,
        operation_id=str(row.operation_id),
        trace_id=row.trace_id,
        at=row.at,
    )
    with operation_scope(event.operation_id, event.trace_id):
        consumer.handler(event)


def _mine(reader: _Reader) -> QuerySet[ConsumerCursor]:
    return ConsumerCursor.objects.filter(consumer=reader.consumer.name, lease_token=reader.token)


def _advance(reader: _Reader, row: OutboxEvent) -> bool:
    assert row.position is not None
    moved = _mine(reader).update(
        position=row.position, attempts=0, retry_at=None, last_error="", leased_until=Now() + LEASE
    )
    reader.position, reader.attempts = row.position, 0
    return moved == 1


def _failed(reader: _Reader, row: OutboxEvent, error: str) -> bool:
    reader.attempts += 1
    if reader.attempts >= MAX_ATTEMPTS:
        with transaction.atomic():
            DeadLetter.objects.update_or_create(
                consumer=reader.consumer.name,
                position=row.position,
                defaults={"error": error[:4000], "replayed_at": None},
            )
        return _advance(reader, row)
    delay = timedelta(seconds=min(300, 2**reader.attempts))
    _mine(reader).update(attempts=F("attempts") + 1, retry_at=Now() + delay, last_error=error[:4000])
    return False


def _let_go(reader: _Reader) -> None:
    _mine(reader).update(leased_until=None, lease_token=None)
