"""What is done to consumers and their dead letters: kept, tried again, set aside, read again. Each is written down."""

from collections.abc import Sequence

from django.db import connection
from django.db.models.functions import Now

from guildhall.evidence.events import (
    ConsumerRewound,
    ConsumerWoken,
    LetterKept,
    LetterRetried,
    LettersDismissed,
    RetryAsked,
    TenantRetryAsked,
)
from guildhall.evidence.models import ConsumerCursor, DeadLetter
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.errors import Conflict, Invalid, NotFound
from guildhall.kernel.reasons import checked_reason
from guildhall.kernel.tenancy import is_tenant_schema

AT_ONCE = 500
"""Dead letters that one act is about at most."""

BURY = """
INSERT INTO dead_letter (consumer, position, error) VALUES (%(consumer)s, %(position)s, %(error)s)
ON CONFLICT (tenant, consumer, position)
    DO UPDATE SET error = EXCLUDED.error, at = DEFAULT, replayed_at = NULL, dismissed_at = NULL
"""


def subject_of(consumer: str) -> str:
    """The plain reference of a consumer."""
    return f"consumer:{consumer}"


@governed("stream.keep_letter", lock=None)
def keep_letter(*, actor: Actor, consumer: str, token: str, position: int, error: str) -> None:
    """Keep an event that its consumer could not handle after its last try, and let the consumer go on behind it.

    Raises `Conflict` when the lease `token` is not the consumer's any more: another reader may have handled the event.
    """
    # The cursor first: a reader that lost its lease must not call dead what another one has handled.
    moved = ConsumerCursor.objects.filter(consumer=consumer, lease_token=token).update(
        position=position, attempts=0, retry_at=None, last_error=""
    )
    if not moved:
        raise Conflict(f"{consumer} is read by another worker now.")
    with connection.cursor() as cursor:
        cursor.execute(BURY, {"consumer": consumer, "position": position, "error": error})
    event = LetterKept(subject=subject_of(consumer), consumer=consumer, position=position, problem=problem_in(error))
    record(event, actor=actor)


def problem_in(error: str) -> str:
    """The kind of error alone: what comes before the first colon."""
    return error.partition(":")[0][:80]


@governed("stream.retry", lock=None)
def retry_letters(*, actor: Actor, consumer: str, positions: Sequence[int] | None = None) -> list[int]:
    """Have dead letters handed to their consumer once more, all of them by default (`AT_ONCE` at most).

    Returns their positions. Raises `NotFound` when none of them is waiting.
    """
    found = [letter.position for letter in _waiting(consumer, positions)]
    record(RetryAsked(subject=subject_of(consumer), consumer=consumer, positions=found), actor=actor)
    return found


@governed("stream.note_retry", lock=None)
def note_retry(*, actor: Actor, consumer: str, position: int, error: str) -> None:
    """Write down how a retry went: `error` is empty when the event was handled."""
    letters = DeadLetter.objects.filter(consumer=consumer, position=position, replayed_at=None)
    if error:
        letters.update(error=error)
    else:
        letters.update(replayed_at=Now())
    problem = problem_in(error)
    record(
        LetterRetried(subject=subject_of(consumer), consumer=consumer, position=position, problem=problem), actor=actor
    )


@governed("stream.dismiss", lock=None)
def dismiss_letters(*, actor: Actor, consumer: str, reason: str, positions: Sequence[int] | None = None) -> list[int]:
    """Set dead letters aside: their events stay in the stream, but this consumer will not get them.

    Returns their positions. Raises `Invalid` without a reason, `NotFound` when none of them is waiting.
    """
    reason = checked_reason(reason)
    found = [letter.position for letter in _waiting(consumer, positions)]
    DeadLetter.objects.filter(consumer=consumer, position__in=found).update(dismissed_at=Now())
    event = LettersDismissed(subject=subject_of(consumer), consumer=consumer, positions=found, reason=reason)
    record(event, actor=actor, reason=reason)
    return found


@governed("stream.rewind", lock=None)
def rewind_consumer(*, actor: Actor, consumer: str, position: int, reason: str) -> int:
    """Have a consumer read everything from `position` on again; how many positions that are.

    Whoever reads now loses the lease and stops after its event. Raises `Invalid` for a position that the consumer has not
    passed, `NotFound` for an unknown consumer.
    """
    reason = checked_reason(reason)
    cursor = _cursor(consumer)
    if not 1 <= position <= cursor.position:
        words = f"from 1 to {cursor.position}" if cursor.position else "behind it: it has read nothing yet"
        problem = f"Choose a position that it has passed, {words}."
        raise Invalid(f"{consumer} cannot read again from {position}. {problem}", fields={"position": [problem]})
    stood = cursor.position
    cursor.position, cursor.lease_token, cursor.leased_until = position - 1, None, None
    cursor.attempts, cursor.retry_at, cursor.last_error = 0, None, ""
    cursor.save()
    event = ConsumerRewound(
        subject=subject_of(consumer), consumer=consumer, from_position=stood, to_position=position - 1, reason=reason
    )
    record(event, actor=actor, before={"position": stood}, after={"position": position - 1}, reason=reason)
    return stood - position + 1


@governed("stream.wake", lock=None)
def wake_consumer(*, actor: Actor, consumer: str) -> None:
    """Have a consumer that failed try again at once. Raises `Conflict` when it does not wait for its next try."""
    cursor = _cursor(consumer)
    if cursor.retry_at is None:
        raise Conflict(f"{consumer} does not wait for another try.")
    cursor.retry_at = None
    cursor.save(update_fields=["retry_at"])
    record(ConsumerWoken(subject=subject_of(consumer), consumer=consumer), actor=actor)


@governed("stream.retry_tenant", lock=None)
def retry_tenant_letters(*, actor: Actor, schema_name: str, consumer: str, reason: str) -> None:
    """Have a tenant's dead letters of one consumer handed over once more, as an owner. Raises `Invalid`, `NotFound`."""
    reason = checked_reason(reason)
    known = registered_consumers().get(consumer)
    if known is None or known.platform or not is_tenant_schema(schema_name):
        raise NotFound("There is no such consumer.")
    event = TenantRetryAsked(subject=f"tenant:{schema_name}", schema_name=schema_name, consumer=consumer, reason=reason)
    record(event, actor=actor, reason=reason)


def _cursor(consumer: str) -> ConsumerCursor:
    cursor = ConsumerCursor.objects.select_for_update().filter(consumer=consumer).first()
    if cursor is None:
        raise NotFound(f"There is no consumer {consumer[:80]} that has read anything here.")
    return cursor


def _waiting(consumer: str, positions: Sequence[int] | None) -> list[DeadLetter]:
    """Dead letters of `consumer` that wait, locked, in order; those at `positions` where given."""
    letters = DeadLetter.objects.waiting().filter(consumer=consumer)
    if positions is not None:
        letters = letters.filter(position__in=list(positions)[:AT_ONCE])
    found = list(letters.select_for_update().order_by("position")[:AT_ONCE])
    if not found:
        raise NotFound(f"{consumer[:80]} has no dead letter there that waits.")
    return found
