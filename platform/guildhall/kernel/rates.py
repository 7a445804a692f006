"""Short windows, counted in Redis for all processes together: at most so much in any minute, by Redis' own clock.

A window is kept in parts of a sixth, so nothing more than the limit ever fits into a window, wherever it begins; a part
is given free as a whole. All windows of one request are looked at and used in one step: it counts in all of them or in
none. Where Redis is away each process counts for itself (`Answer.shared` is False): at most the limit times the number of
processes gets through, nobody is locked out, and no money depends on it. After a failure Redis is left alone for a second.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

PARTS = 6
QUIET_SECONDS = 1.0
KEPT_LOCALLY = 10_000
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local amount, answer, full = tonumber(ARGV[1]), {}, 0
for i, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1]) * 1000
  local step = window / 6
  local part = math.floor(now / step)
  local used, oldest, fields = 0, part, redis.call('HGETALL', key)
  for f = 1, #fields, 2 do
    local at = tonumber(fields[f])
    if at < part - 6 then redis.call('HDEL', key, fields[f])
    else
      used = used + tonumber(fields[f + 1])
      if at < oldest then oldest = at end
    end
  end
  local wait = math.ceil(((oldest + 7) * step - now) / 1000)
  if used > 0 and used + amount > limit then full = i end
  answer[i] = {math.max(limit - used, 0), math.max(wait, 1), used}
end
if full == 0 then
  for i, key in ipairs(KEYS) do
    local window = tonumber(ARGV[2 * i + 1])
    redis.call('HINCRBY', key, math.floor(now / (window * 1000 / 6)), amount)
    redis.call('EXPIRE', key, math.ceil(window * 7 / 6) + 1)
    answer[i][1] = math.max(answer[i][1] - amount, 0)
  end
end
return {full, answer}
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """`limit` of something in `window` seconds; `name` is what people read, `key` whose it is."""

    name: str
    key: str
    limit: int
    window: int = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rate stands after a request: what is left of it, and after how many seconds there is more."""

    rate: Rate
    left: int
    reset: int


@dataclass(frozen=True, slots=True)
class Answer:
    """`refused` is the rate that was full, None when the request counted; `shared` whether Redis said so."""

    standings: tuple[Standing, ...]
    refused: Standing | None
    shared: bool = True

    @property
    def tightest(self) -> Standing:
        """The rate that has least left of its limit."""
        return self.refused or min(self.standings, key=lambda one: one.left / max(one.rate.limit, 1))


class Limiter:
    """Counts in the Redis at `url`. One per process; threads share it."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=0.3, socket_connect_timeout=0.3, retry=Retry(NoBackoff(), 1)
        )
        self._script = self._redis.register_script(SCRIPT)
        self._quiet_until = 0.0
        self._local: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()

    def take(self, rates: Sequence[Rate], amount: int = 1) -> Answer:
        """Use `amount` of every rate, or of none when one of them is full.

        More than a whole limit at once goes through an untouched window, or it never would. Raises nothing.
        """
        if time.monotonic() >= self._quiet_until:
            try:
                return self._asked(rates, amount)
            except (redis.RedisError, OSError):
                self._quiet_until = time.monotonic() + QUIET_SECONDS
        return self._counted_here(rates, amount)

    def correct(self, rate: Rate, difference: int) -> None:
        """Add to (or take from) what was used when it turned out otherwise. Lost while Redis is away."""
        if not difference or time.monotonic() < self._quiet_until:
            return
        try:
            self._script(keys=[_key(rate)], args=[difference, 2**53, rate.window])
        except (redis.RedisError, OSError):
            self._quiet_until = time.monotonic() + QUIET_SECONDS

    def _asked(self, rates: Sequence[Rate], amount: int) -> Answer:
        arguments = [amount, *(part for rate in rates for part in (rate.limit, rate.window))]
        full, told = cast("list[Any]", self._script(keys=[_key(rate) for rate in rates], args=arguments))
        standings = tuple(
            Standing(rate, int(left), int(reset)) for rate, (left, reset, _) in zip(rates, told, strict=True)
        )
        return Answer(standings, standings[int(full) - 1] if full else None)

    def _counted_here(self, rates: Sequence[Rate], amount: int) -> Answer:
        now = time.time()
        with self._lock:
            if len(self._local) > KEPT_LOCALLY:
                self._local.clear()
            standings, refused = [], None
            for rate in rates:
                began = int(now // rate.window)
                used = self._local.get((_key(rate), began), 0)
                standing = Standing(rate, max(rate.limit - used, 0), int((began + 1) * rate.window - now) + 1)
                standings.append(standing)
                if used and used + amount > rate.limit:
                    refused = standing
            if refused is None:
                for rate in rates:
                    place = (_key(rate), int(now // rate.window))
                    self._local[place] = self._local.get(place, 0) + amount
        return Answer(tuple(standings), refused, shared=False)


def _key(rate: Rate) -> str:
    return f"gh:rate:{rate.name}:{rate.window}:{rate.key}"


@cache
def limiter() -> Limiter:
    """This process' own."""
    return Limiter(settings.REDIS_URL)
