"""Places at an engine that works at so many calls at once: who finds none free waits here, not in the engine's own queue.

A call's time begins when it has a place, and its money is set aside then, so waiting costs it neither. Places are counted
in Redis for all processes together. Each is taken for some seconds and kept by renewing it, so those of a process that
died come free by themselves. Within a process calls are served as they came, and only the first of them asks. Where Redis
is away each process counts for itself.
"""

import logging
import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.wire import CallFailed

logger = logging.getLogger(__name__)
LEASE_SECONDS = 15.0
LOOK_SECONDS = 0.05
QUIET_SECONDS = 1.0
"""How long Redis is left alone after it failed."""
TOLD_SECONDS = 10.0
"""After this long a process's word on how many of its calls wait counts no more."""
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local lease, waiting, taken = tonumber(ARGV[3]), tonumber(ARGV[5]), 0
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZSCORE', KEYS[1], ARGV[1]) or redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[1], now + lease, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], lease)
  taken = 1
end
if waiting > 0 then
  redis.call('HSET', KEYS[2], ARGV[4], (waiting - taken) .. ' ' .. now)
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
return taken
"""


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine: its address, and at how many calls it works at once; 0 is as many as come."""

    address: str
    number: int


@dataclass(eq=False, slots=True)
class _Caller:
    """One call; `look` wakes it when it may be its turn. `lost` is which engines it no longer waits for, and why."""

    name: str = field(default_factory=lambda: uuid4().hex)
    look: threading.Event = field(default_factory=threading.Event)
    renew_at: float = 0.0
    lost: dict[str, CallFailed] = field(default_factory=dict)


@dataclass(slots=True)
class _Line:
    """This process's calls of one engine: those that wait, as they came, and those that have a place."""

    waiting: deque[_Caller] = field(default_factory=deque)
    inside: set[str] = field(default_factory=set)


class Places:
    """The places at all engines, counted in the Redis at `url`. One per process; threads share it."""

    def __init__(self, url: str, lease_s: float = LEASE_SECONDS) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=0.3, socket_connect_timeout=0.3, retry=Retry(NoBackoff(), 1)
        )
        self._script = self._redis.register_script(TAKE)
        self._lease_s = lease_s
        self._lines: defaultdict[str, _Line] = defaultdict(_Line)
        self._lock = threading.Lock()
        self._quiet_until = 0.0

    @contextmanager
    def one_at(
        self,
        engines: Sequence[Engine],
        *,
        wait_s: float,
        cancel: threading.Event | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> Iterator[tuple[int, Callable[[], None]]]:
        """Have a place at the first of `engines` that has one free. Yields which it is, and what is to be called several
        times a second to keep it.

        `on_wait` is called once before it waits. Raises `CallFailed` when none came free within `wait_s` seconds, and at
        once when `cancel` is set meanwhile or it was sent away from the last of them.
        """
        caller = _Caller()
        found = self._wait(engines, caller, wait_s, cancel, on_wait)
        engine = engines[found]
        if not engine.number:
            yield found, lambda: None
            return
        try:
            yield found, lambda: self._keep(engine, caller)
        finally:
            self._leave(engine.address, caller)

    def waiting(self, engines: Iterable[str]) -> dict[str, int]:
        """How many calls of all processes wait, by engine; without those that Redis cannot tell."""
        asked = list(dict.fromkeys(engines))
        try:
            with self._redis.pipeline() as step:
                step.time()
                for engine in asked:
                    step.hvals(_line_key(engine))
                (seconds, _), *told = step.execute()
        except (redis.RedisError, OSError):
            return {}
        since = (int(seconds) - TOLD_SECONDS) * 1000
        words = ([value.split() for value in values] for values in told)
        return {
            engine: sum(int(count) for count, at in lines if int(at) > since)
            for engine, lines in zip(asked, words, strict=True)
        }

    def send_away(self, engine: str, failure: CallFailed) -> None:
        """Have nobody of this process wait for `engine`: a call there found, by `failure`, what each would find in turn.

        They go on waiting for the others that they stand in line for. Who comes after is no part of it.
        """
        with self._lock:
            line = self._lines[engine].waiting if engine in self._lines else deque()
            sent = list(line)
            line.clear()
            for caller in sent:
                caller.lost[engine] = failure
        if sent:
            self._forget_line(engine)
        for caller in sent:
            caller.look.set()

    def _wait(
        self,
        engines: Sequence[Engine],
        caller: _Caller,
        wait_s: float,
        cancel: threading.Event | None,
        on_wait: Callable[[], None] | None,
    ) -> int:
        """It stands in the lines of all of them, until the first serves it."""
        until = time.monotonic() + wait_s
        lines = [engine.address for engine in engines if engine.number]
        served = None
        with self._lock:
            for line in lines:
                self._lines[line].waiting.append(caller)
        try:
            while (served := self._served_by(engines, caller)) is None:
                if cancel is not None and cancel.is_set():
                    raise CallFailed("it was stopped while it waited for a free place", retryable=True)
                if time.monotonic() >= until:
                    number = sum(engine.number for engine in engines)
                    raise CallFailed(f"none of its {number} places came free in {wait_s:.0f} s", retryable=True)
                if on_wait is not None:
                    on_wait()
                    on_wait = None
                caller.look.wait(LOOK_SECONDS)
                caller.look.clear()
            return served
        finally:
            with self._lock:
                for line in lines:
                    with suppress(ValueError):  # sent away
                        self._lines[line].waiting.remove(caller)
            for engine in engines[:served]:
                # It may have said there that it waits.
                self._forget_line(engine.address)
            for line in lines:
                self._wake(line)

    def _served_by(self, engines: Sequence[Engine], caller: _Caller) -> int | None:
        left = [at for at, engine in enumerate(engines) if engine.address not in caller.lost]
        if not left:
            found = "; ".join(dict.fromkeys(str(failure) for failure in caller.lost.values()))
            raise CallFailed(f"{found} (so a call ahead of it found while it waited for a place)", retryable=True)
        return next((at for at in left if not engines[at].number or self._served(engines[at], caller)), None)

    def _served(self, engine: Engine, caller: _Caller) -> bool:
        with self._lock:
            line = self._lines[engine.address]
            if not line.waiting or line.waiting[0] is not caller:
                return False
            waiting = len(line.waiting)
        if not self._take(engine, caller, waiting):
            return False
        with self._lock:
            line.inside.add(caller.name)
        return True

    def _take(self, engine: Engine, caller: _Caller, waiting: int) -> bool:
        """Whether it has a place now; one that it has is taken for another while."""
        if time.monotonic() >= self._quiet_until:
            caller.renew_at = time.monotonic() + self._lease_s / 3
            arguments: list[Any] = [caller.name, engine.number, int(self._lease_s * 1000), _process(), waiting]
            try:
                keys = [_place_key(engine.address), _line_key(engine.address)]
                return bool(self._script(keys=keys, args=[*arguments, int(TOLD_SECONDS * 1000)]))
            except (redis.RedisError, OSError):
                logger.warning("places at %s are counted by this process alone", engine.address, exc_info=True)
                self._quiet_until = time.monotonic() + QUIET_SECONDS
        with self._lock:
            inside = self._lines[engine.address].inside
            return caller.name in inside or len(inside) < engine.number

    def _keep(self, engine: Engine, caller: _Caller) -> None:
        if time.monotonic() >= caller.renew_at:
            caller.renew_at = time.monotonic() + self._lease_s / 3
            self._take(engine, caller, waiting=0)

    def _leave(self, engine: str, caller: _Caller) -> None:
        with self._lock:
            self._lines[engine].inside.discard(caller.name)
        if time.monotonic() >= self._quiet_until:
            try:
                self._redis.zrem(_place_key(engine), caller.name)
            except (redis.RedisError, OSError):
                self._quiet_until = time.monotonic() + QUIET_SECONDS
        self._wake(engine)

    def _forget_line(self, engine: str) -> None:
        """Somebody left it: if others are still there, the first of them says anew how many."""
        with suppress(redis.RedisError, OSError):
            self._redis.hdel(_line_key(engine), _process())

    def _wake(self, engine: str) -> None:
        """Let the first in line look."""
        with self._lock:
            line = self._lines[engine]
            if line.waiting:
                line.waiting[0].look.set()
            elif not line.inside:
                del self._lines[engine]


def _place_key(engine: str) -> str:
    return f"guildhall:places:{engine}"


def _line_key(engine: str) -> str:
    return f"guildhall:line:{engine}"


def _process() -> str:
    return f"{os.uname().nodename}:{os.getpid()}"


@cache
def places() -> Places:
    """Those of this process."""
    return Places(settings.REDIS_URL)
