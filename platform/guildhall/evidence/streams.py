"""How the delivery of events stands: consumers, their lag and their dead letters, of one tenant or of all."""

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count
from django.utils import timezone

from guildhall.evidence.models import ConsumerCursor, DeadLetter, OutboxEvent
from guildhall.evidence.policies import refuse_others
from guildhall.evidence.selectors import head_position
from guildhall.kernel.actor import PLATFORM, Actor
from guildhall.kernel.consumers import Consumer, registered_consumers
from guildhall.kernel.errors import NotFound
from guildhall.kernel.events import UnknownEvent, load_event

LETTERS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """One consumer of the current tenant. `lag` counts positions that it has not passed; `about` says what it does."""

    name: str
    about: str
    kinds: tuple[str, ...]
    position: int
    lag: int
    attempts: int
    error: str
    retry_at: datetime | None
    reading: bool
    dead_letters: int

    @property
    def state(self) -> str:
        """failing, reading, behind or up_to_date."""
        if self.error:
            return "failing"
        if self.lag:
            return "reading" if self.reading else "behind"
        return "up_to_date"


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that waits for somebody: what happened, and why the consumer could not handle it."""

    consumer: str
    position: int
    kind: str
    version: int
    subject: str
    sentence: str
    actor: dict[str, Any]
    happened_at: datetime
    error: str
    given_up_at: datetime


@dataclass(frozen=True, slots=True)
class TenantStream:
    """What an owner sees of one tenant's consumers; `problems` are kinds of errors, without their words."""

    schema_name: str
    head: int
    behind: int
    largest_lag: int
    failing: dict[str, str]
    letters: dict[str, int]

    @property
    def dead_letters(self) -> int:
        return sum(self.letters.values())


def consumers_for(actor: Actor) -> list[ConsumerState]:
    """The tenant's consumers by name. Raises `Denied` for whoever does not look after them."""
    refuse_others(actor)
    return consumer_states()


def consumer_for(actor: Actor, name: str) -> ConsumerState:
    """One consumer. Raises `Denied` and `NotFound`."""
    for state in consumers_for(actor):
        if state.name == name:
            return state
    raise NotFound(f"There is no consumer {name[:80]}.")


def consumer_states() -> list[ConsumerState]:
    """How far each consumer of the current tenant is, by name."""
    head = head_position()
    cursors = {row.consumer: row for row in ConsumerCursor.objects.all()}
    letters = DeadLetter.objects.waiting().values("consumer").annotate(number=Count("pk")).order_by()
    waiting = {row["consumer"]: row["number"] for row in letters}
    return [
        _state(consumer, head, cursors.get(name), waiting.get(name, 0))
        for name, consumer in sorted(registered_consumers().items())
        if not consumer.platform
    ]


def _state(consumer: Consumer, head: int, cursor: ConsumerCursor | None, letters: int) -> ConsumerState:
    row = cursor or ConsumerCursor(consumer=consumer.name)
    return ConsumerState(
        name=consumer.name,
        about=about(consumer),
        kinds=tuple(sorted(consumer.kinds)),
        position=row.position,
        lag=max(0, head - row.position),
        attempts=row.attempts,
        error=row.last_error,
        retry_at=row.retry_at,
        reading=row.leased_until is not None and row.leased_until > timezone.now(),
        dead_letters=letters,
    )


def about(consumer: Consumer) -> str:
    """What a consumer does: the first sentence of its handler's docstring."""
    text = inspect.getdoc(consumer.handler) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def letters_for(actor: Actor, consumer: str = "") -> list[Letter]:
    """Dead letters that wait, newest first, `LETTERS_SHOWN` at most; of one consumer where named. Raises `Denied`."""
    refuse_others(actor)
    rows = DeadLetter.objects.waiting().order_by("-id")
    if consumer:
        rows = rows.filter(consumer=consumer)
    return list(_letters(list(rows[:LETTERS_SHOWN])))


def letter_for(actor: Actor, consumer: str, position: int) -> Letter:
    """One dead letter that waits. Raises `Denied` and `NotFound`."""
    refuse_others(actor)
    for letter in _letters(list(DeadLetter.objects.waiting().filter(consumer=consumer, position=position))):
        return letter
    raise NotFound(f"{consumer[:80]} has no dead letter at {position} that waits.")


def waiting_letters() -> int:
    """How many dead letters of the current tenant wait."""
    return DeadLetter.objects.waiting().count()


def events_between(kinds: Iterable[str], first: int, last: int) -> int:
    """How many events of these kinds the current tenant's stream has from position `first` to `last`."""
    return OutboxEvent.objects.filter(kind__in=kinds, position__range=(first, last)).count()


def _letters(rows: list[DeadLetter]) -> Iterator[Letter]:
    events = {
        event.position: event for event in OutboxEvent.objects.filter(position__in=[row.position for row in rows])
    }
    for row in rows:
        event = events[row.position]
        yield Letter(
            consumer=row.consumer,
            position=row.position,
            kind=event.kind,
            version=event.version,
            subject=event.subject,
            sentence=_sentence(event),
            actor=event.actor,
            happened_at=event.at,
            error=row.error,
            given_up_at=row.at,
        )


def _sentence(event: OutboxEvent) -> str:
    try:
        return load_event(event.kind, event.version, event.payload).sentence()
    except (UnknownEvent, ValueError):
        return f"{event.kind} v{event.version} of {event.subject}, which this release cannot read"


def platform_streams() -> list[TenantStream]:
    """The streams of all tenants, those with trouble first. For the platform's owners, in the platform's scope."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tenant, head, consumer, position, problem, letters FROM stream_health()")
        rows = cursor.fetchall()
    names = {platform: set(_names(platform=platform)) for platform in (False, True)}
    found: dict[str, TenantStream] = {}
    read: dict[str, set[str]] = {}
    for tenant, head, consumer, position, problem, letters in rows:
        stream = found.setdefault(tenant, TenantStream(tenant, head, 0, 0, {}, {}))
        if consumer not in names[tenant == PLATFORM]:
            continue
        read.setdefault(tenant, set()).add(consumer)
        found[tenant] = _with(stream, consumer, head - position, problem, letters)
    for tenant, stream in found.items():
        for consumer in names[tenant == PLATFORM] - read.get(tenant, set()):
            stream = found[tenant] = _with(stream, consumer, stream.head, "", 0)
    return sorted(found.values(), key=lambda one: (-one.dead_letters, -len(one.failing), -one.behind, one.schema_name))


def _names(*, platform: bool) -> list[str]:
    return [name for name, consumer in registered_consumers().items() if consumer.platform == platform]


def _with(stream: TenantStream, consumer: str, lag: int, problem: str, letters: int) -> TenantStream:
    return TenantStream(
        stream.schema_name,
        stream.head,
        stream.behind + (lag > 0),
        max(stream.largest_lag, lag),
        {**stream.failing, consumer: problem} if problem else stream.failing,
        {**stream.letters, consumer: letters} if letters else stream.letters,
    )
