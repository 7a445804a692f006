"""Work that a timer offers to workers again and again: one message at a time for each piece of it, however long nobody comes.

A message that expires still lies in its queue until a worker takes it. So nothing is offered again while its last message
may well be there: that one is marked in Redis until a worker begins it. A message may also be lost, with a worker that
died before it began; the mark ends by itself for that, later each time, since a queue that nobody serves is the likelier
reason when many were offered in vain.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import cast

import redis
from django.conf import settings

SHORTEST_S, LONGEST_S = 8, 900
"""After which a message that no worker has begun is taken for lost: the first one, and any later one at most."""


def offer(mark: str) -> int:
    """For how many seconds from now a message of this mark is believed to be there, put to Redis; 0 where one is already."""
    key, tries = _keys(mark)
    if not _client().set(key, 1, nx=True, ex=SHORTEST_S):
        return 0
    with _client().pipeline() as step:
        step.incr(tries)
        step.expire(tries, 2 * LONGEST_S)
        told, _ = step.execute()
    lately: int = min(SHORTEST_S * 2 ** min(told - 1, 10), LONGEST_S)
    _client().expire(key, lately)
    return lately


def believed(marks: Sequence[str]) -> list[bool]:
    """Of which marks a message is believed to be there, in one question for all."""
    found = cast("list[bytes | None]", _client().mget([_keys(mark)[0] for mark in marks])) if marks else []
    return [one is not None for one in found]


def begun(mark: str) -> None:
    """A worker has the message of this mark: the next one may be sent. Where Redis is away, the mark ends by itself."""
    with suppress(redis.RedisError):
        _client().delete(*_keys(mark))


def _keys(mark: str) -> tuple[str, str]:
    return f"gh:offers:{mark}", f"gh:offers:{mark}:tries"


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5)
