"""Delivering placed events to durable consumers: leased, fenced, retried, and in the end kept as a dead letter."""

import logging
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Now

from guildhall.evidence.actions import keep_letter, note_retry
from guildhall.evidence.models import ConsumerCursor, DeadLetter, OutboxEvent
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.consumers import Consumer, Delivered
from guildhall.kernel.errors import Conflict, NotFound
from guildhall.kernel.events import load_event
from guildhall.kernel.operation import operation_scope
from guildhall.kernel.tenancy import current_scope_name

logger = logging.getLogger(__name__)
LEASE = timedelta(seconds=120)
BATCH = 100
MAX_ATTEMPTS = 6

CLAIM = """
INSERT INTO consumer_cursor AS c (consumer, lease_token, leased_until)
VALUES (%(consumer)s, %(token)s, now() + make_interval(secs => %(seconds)s))
ON CONFLICT (tenant, consumer)
    DO UPDATE SET lease_token = EXCLUDED.lease_token, leased_until = EXCLUDED.leased_until
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
    """Hand `consumer` what it has not read in the current tenant; the number of positions that it moved on.

    Does nothing when another process is at it. Every event is handled, waits for its retry, or becomes a dead letter.
    """
    reader = _claim(consumer)
    if reader is None:
        return 0
    start = reader.position
    try:
        while _read_on(reader):
            pass
    finally:
        _let_go(reader)
    return reader.position - start


def replay(consumer: Consumer, position: int) -> None:
    """Hand a dead letter of the current tenant to `consumer` once more.

    Raises `NotFound` when no such letter is waiting, and whatever the handler raises; the letter then waits on.
    """
    letters = DeadLetter.objects.waiting().filter(consumer=consumer.name, position=position)
    row = OutboxEvent.objects.filter(position=position).first()
    if row is None or not letters.exists():
        raise NotFound(f"{consumer.name} has no dead letter at position {position}.")
    try:
        _handle(consumer, row)
    except Exception as error:
        connection.close()
        note_retry(actor=_self(), consumer=consumer.name, position=position, error=_said(error))
        raise
    note_retry(actor=_self(), consumer=consumer.name, position=position, error="")


def _claim(consumer: Consumer) -> _Reader | None:
    token = str(uuid.uuid4())
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"consumer": consumer.name, "token": token, "seconds": LEASE.total_seconds()})
        row = cursor.fetchone()
    return _Reader(consumer, token, row[0], row[1]) if row else None


def _read_on(reader: _Reader) -> bool:
    """Hand over one batch; whether there may be more. Events of other kinds are passed over, many in one step."""
    head: int = OutboxEvent.objects.aggregate(head=Max("position"))["head"] or 0
    if head <= reader.position:
        return False
    rows = OutboxEvent.objects.filter(
        kind__in=reader.consumer.kinds, position__gt=reader.position, position__lte=head
    ).order_by("position")[:BATCH]
    for row in rows:
        if not _pass(reader, row):
            return False
    return len(rows) == BATCH or _advance(reader, head)


def _pass(reader: _Reader, row: OutboxEvent) -> bool:
    """Handle one event and move on; False when it must be tried again later or the lease went to another reader."""
    try:
        _handle(reader.consumer, row)
    except Exception as error:
        logger.exception("consumer %s failed at %s", reader.consumer.name, row.position)
        connection.close()
        return _failed(reader, _position(row), _said(error))
    return _advance(reader, _position(row))


def _position(row: OutboxEvent) -> int:
    if row.position is None:
        raise ValueError(f"event {row.pk} has no position yet")
    return row.position


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\x00", "")[:4000]


def _handle(consumer: Consumer, row: OutboxEvent) -> None:
    event = Delivered(
        id=row.pk,
        tenant=row.tenant,
        position=_position(row),
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


def _advance(reader: _Reader, position: int) -> bool:
    """Move the cursor if the lease is still this reader's; whether it was."""
    moved = _mine(reader).update(
        position=position, attempts=0, retry_at=None, last_error="", leased_until=Now() + LEASE
    )
    if not moved:
        return False
    reader.position, reader.attempts = position, 0
    return True


def _failed(reader: _Reader, position: int, error: str) -> bool:
    reader.attempts += 1
    if reader.attempts < MAX_ATTEMPTS:
        delay = timedelta(seconds=min(300, 2**reader.attempts))
        _mine(reader).update(attempts=F("attempts") + 1, retry_at=Now() + delay, last_error=error)
        return False
    try:
        keep_letter(actor=_self(), consumer=reader.consumer.name, token=reader.token, position=position, error=error)
    except Conflict:
        return False
    return _advance(reader, position)


def _self() -> Actor:
    """Delivery, acting in the scope that is entered."""
    return system_actor("delivery", current_scope_name() or "")


def _let_go(reader: _Reader) -> None:
    _mine(reader).update(leased_until=None, lease_token=None)
