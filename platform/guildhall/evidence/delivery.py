"""Delivering placed events to durable consumers: leased, fenced, retried, and in the end kept as a dead letter."""

import logging
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from guildhall.evidence.actions import keep_letter, note_retry
from guildhall.evidence.models import ConsumerCursor, DeadLetter, OutboxEvent
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.consumers import TRIES, Consumer, Delivered
from guildhall.kernel.errors import Conflict, NotFound
from guildhall.kernel.events import load_event
from guildhall.kernel.operation import operation_scope
from guildhall.kernel.redaction import redact
from guildhall.kernel.tenancy import current_scope_name

logger = logging.getLogger(__name__)
LEASE = timedelta(seconds=120)
"""After a reader's death others go on when it has run out."""
BATCH = 100

# Neither statement waits for the disk. A crash of the server then loses the last leases and moves, in the order of the
# log and so never an effect whose move is kept: events are delivered again, as after the death of a reader.
CLAIM = """
WITH unflushed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)), claimed AS (
    INSERT INTO consumer_cursor AS c (consumer, lease_token, leased_until)
    SELECT %(consumer)s, %(token)s, now() + make_interval(secs => %(seconds)s)
    FROM unflushed CROSS JOIN outbox_head head
    WHERE head.position > coalesce((SELECT position FROM consumer_cursor WHERE consumer = %(consumer)s), 0)
    ON CONFLICT (tenant, consumer)
        DO UPDATE SET lease_token = EXCLUDED.lease_token, leased_until = EXCLUDED.leased_until
    WHERE (c.leased_until IS NULL OR c.leased_until < now()) AND (c.retry_at IS NULL OR c.retry_at <= now())
    RETURNING c.position, c.attempts
)
SELECT claimed.position AS read_to, claimed.attempts AS tried, greatest(head.position, claimed.position) AS head, event.*
FROM claimed CROSS JOIN outbox_head head LEFT JOIN LATERAL (
    SELECT * FROM outbox_event
    WHERE kind = ANY(%(kinds)s) AND position > claimed.position AND position <= head.position
    ORDER BY position LIMIT %(batch)s
) event ON true ORDER BY event.position
"""

MOVE = """
WITH unflushed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
UPDATE consumer_cursor SET position = %(position)s, attempts = 0, retry_at = NULL, last_error = '',
    lease_token = CASE WHEN %(on)s THEN lease_token END,
    leased_until = CASE WHEN %(on)s THEN now() + make_interval(secs => %(seconds)s) END
FROM unflushed WHERE consumer = %(consumer)s AND lease_token = %(token)s
"""


@dataclass(slots=True)
class _Reader:
    """One batch of events and the lease on the cursor before them; `head` is how far the batch reaches."""

    consumer: Consumer
    token: str
    position: int
    attempts: int
    head: int
    rows: list[OutboxEvent]


def deliver(consumer: Consumer) -> int:
    """Hand `consumer` what it has not read in the current tenant; the number of positions that it moved on.

    Does nothing when another process is at it. Every event is handled, waits for its retry, or becomes a dead letter.
    """
    moved, whole = 0, True
    # Asked again after the lease was let go: whoever was woken in between by a newer event found it taken.
    while whole and (reader := _claim(consumer)) is not None:
        start, whole = reader.position, False
        try:
            whole = all(_pass(reader, row) for row in reader.rows) and _finish(reader)
        finally:
            if not whole:
                _let_go(reader)
        moved += reader.position - start
    return moved


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
    """The lease and the next batch in one statement; None when there is nothing new, or somebody else reads."""
    token = str(uuid.uuid4())
    asked = {
        "consumer": consumer.name,
        "token": token,
        "seconds": LEASE.total_seconds(),
        "kinds": list(consumer.kinds),
        "batch": BATCH,
    }
    rows: list[Any] = list(OutboxEvent.objects.raw(CLAIM, asked))
    if not rows:
        return None
    events = [row for row in rows if row.pk is not None]  # one empty row stands for no event of its kinds
    head = _position(events[-1]) if len(events) == BATCH else rows[0].head
    return _Reader(consumer, token, rows[0].read_to, rows[0].tried, head, events)


def _pass(reader: _Reader, row: OutboxEvent) -> bool:
    """Handle one event and move on; False when it must be tried again later or the lease went to another reader."""
    try:
        _handle(reader.consumer, row)
    except Exception as error:
        logger.exception("consumer %s failed at %s", reader.consumer.name, row.position)
        connection.close()
        return _failed(reader, _position(row), _said(error))
    return row is reader.rows[-1] or _advance(reader, _position(row))  # behind the last, `_finish` moves on


def _position(row: OutboxEvent) -> int:
    if row.position is None:
        raise ValueError(f"event {row.pk} has no position yet")
    return row.position


def _said(error: Exception) -> str:
    """What went wrong, for a tenant's people: without the folders of this machine, which the log has."""
    said = f"{type(error).__name__}: {error}".replace("\x00", "")
    for folder in (settings.MEDIA_ROOT, settings.WORK_DIR, settings.VAR_DIR, settings.BASE_DIR):
        said = said.replace(str(folder), "…")
    return redact(said)[:4000]


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
    """Move the cursor if the lease is still this reader's, and renew it; whether it was."""
    return _move(reader, position, on=True)


def _finish(reader: _Reader) -> bool:
    """Move to the end of the batch, past events of other kinds, and let go, if the lease is still this reader's."""
    return _move(reader, reader.head, on=False)


def _move(reader: _Reader, position: int, *, on: bool) -> bool:
    with connection.cursor() as cursor:
        asked: dict[str, Any] = {"consumer": reader.consumer.name, "token": reader.token, "position": position}
        cursor.execute(MOVE, {**asked, "on": on, "seconds": LEASE.total_seconds()})
        if not cursor.rowcount:
            return False
    reader.position, reader.attempts = position, 0
    return True


def _failed(reader: _Reader, position: int, error: str) -> bool:
    reader.attempts += 1
    if reader.attempts < TRIES:
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
