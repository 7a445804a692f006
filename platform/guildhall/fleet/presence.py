"""What workers say of themselves every two seconds, and how long queues are: in Redis, by Redis' own clock.

Nothing here decides anything: a worker that says nothing may well be at work, and who holds a run is a row in PostgreSQL.
Where Redis is away nothing is known, and every worker says it anew once it is back.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, cast

import redis
from celery.signals import before_task_publish
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from guildhall.fleet.asleep import KEPT
from guildhall.kernel.jobs import QUEUES

BEAT_SECONDS = 2.0
LOST_SECONDS = 10.0
"""A worker that has said nothing for this long has gone without a word."""
FORGOTTEN_SECONDS = 86_400.0
SENT_AT = "sent_at"
"""The header of every message: when it was sent, Unix seconds."""


@dataclass(frozen=True, slots=True)
class Doing:
    """One job at which a worker is. `since` in Unix seconds; `tenant` a schema name; `run` its number, with its phase."""

    job: str
    since: float
    tenant: str = ""
    run: int | None = None
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Presence:
    """A worker as it said last, `at` Redis' clock. `queues` are those that it serves, `taking` those it takes from now."""

    name: str
    host: str
    pid: int
    pool: str
    slots: int
    queues: tuple[str, ...]
    taking: tuple[str, ...]
    doing: tuple[Doing, ...]
    asleep: bool = False
    """It has ended for want of work, and is started again when there is some."""
    at: float = 0.0
    silent: float = 0.0
    """Seconds since then, when it was read."""

    @property
    def lost(self) -> bool:
        return self.silent > LOST_SECONDS


@dataclass(frozen=True, slots=True)
class Queue:
    """How many messages wait, and for how many seconds the first of them; None where it does not say."""

    name: str
    depth: int
    age: float | None


class BrokerAway(RuntimeError):
    """Redis gave no answer in time."""


@before_task_publish.connect(weak=False)
def _stamp(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None:
        headers[SENT_AT] = time.time()


def say(worker: Presence) -> None:
    """Keep what a worker says of itself. Raises `BrokerAway`."""
    try:
        row = {**asdict(worker), "at": _now()}
        row.pop("silent")
        _redis().hset(KEPT, worker.name, json.dumps(row))
    except (redis.RedisError, OSError) as away:
        raise BrokerAway from away


def leave(name: str) -> None:
    """The worker has ended as it was told to; and those that were lost a day ago are forgotten."""
    try:
        old = [worker.name for worker in _heard() if worker.silent > FORGOTTEN_SECONDS]
        _redis().hdel(KEPT, name, *old)
    except (redis.RedisError, OSError) as away:
        raise BrokerAway from away


def workers() -> list[Presence]:
    """All that have been heard of and have not left, by name. Raises `BrokerAway`.

    One that sleeps is there for as long as somebody watches over it.
    """
    try:
        heard = _heard()
    except (redis.RedisError, OSError) as away:
        raise BrokerAway from away
    there = (worker for worker in heard if not (worker.asleep and worker.lost))
    return sorted(there, key=lambda worker: worker.name)


def known_workers() -> frozenset[str]:
    """The names of `workers()`; none where Redis is away."""
    try:
        return frozenset(worker.name for worker in workers())
    except BrokerAway:
        return frozenset()


def queues() -> list[Queue]:
    """Every queue of the platform. Raises `BrokerAway`."""
    try:
        with _redis().pipeline(transaction=False) as step:
            for name in QUEUES:
                step.llen(name)
                step.lindex(name, -1)
            told = step.execute()
    except (redis.RedisError, OSError) as away:
        raise BrokerAway from away
    return [Queue(name, told[2 * n], _age(told[2 * n + 1])) for n, name in enumerate(QUEUES)]


def _heard() -> list[Presence]:
    now, told = _now(), cast("Mapping[bytes, bytes]", _redis().hgetall(KEPT))
    return [_read(json.loads(row), now) for row in told.values()]


def _read(row: dict[str, Any], now: float) -> Presence:
    doing = tuple(Doing(**one) for one in row.pop("doing"))
    lists: dict[str, Iterable[str]] = {part: tuple(row.pop(part)) for part in ("queues", "taking")}
    return Presence(**row, **cast("Any", lists), doing=doing, silent=max(0.0, now - row["at"]))


def _age(message: bytes | None) -> float | None:
    if message is None:
        return None
    sent = json.loads(message).get("headers", {}).get(SENT_AT)
    return max(0.0, time.time() - sent) if isinstance(sent, int | float) else None


def _now() -> float:
    seconds, micro = _redis().time()
    return seconds + micro / 1e6


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0)
    )
