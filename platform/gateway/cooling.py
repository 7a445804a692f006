"""Deployments that failed a call are left alone for a short while, by all processes: no call after it finds out anew.

They are asked last then, never not at all. Each failure in a row doubles the rest up to a minute; an answer ends it. Without
Redis nobody rests.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import redis

from gateway.engines import shared_redis
from gateway.returning import tell_returned

logger = logging.getLogger(__name__)
KEPT = "guildhall:failed"
SHORTEST_S, LONGEST_S = 5.0, 60.0
IN_A_ROW_S = 300.0
"""Failures that are further apart are no row."""


@dataclass(frozen=True, slots=True)
class Failures:
    """How often a deployment failed in a row, and until when it rests, in Unix seconds."""

    count: int
    until: float

    @property
    def resting(self) -> bool:
        return time.time() < self.until


def kept_failures() -> dict[str, Failures]:
    """By deployment; without those that have answered since."""
    try:
        told = cast("Mapping[bytes, bytes]", shared_redis().hgetall(KEPT))
    except (redis.RedisError, OSError):
        return {}
    found = {}
    for name, value in told.items():
        count, until = value.split()
        found[name.decode()] = Failures(int(count), float(until))
    return {name: one for name, one in found.items() if time.time() < one.until + IN_A_ROW_S}


def note_failed(deployment: str) -> None:
    """Say that a call failed there. Calls of one moment that fail together are one failure."""
    before = kept_failures().get(deployment)
    if before is not None and before.resting:
        return
    count = before.count + 1 if before else 1
    until = time.time() + min(SHORTEST_S * 2 ** min(count - 1, 10), LONGEST_S)
    try:
        with shared_redis().pipeline() as step:
            step.hset(KEPT, deployment, f"{count} {until}")
            step.expire(KEPT, int(LONGEST_S + IN_A_ROW_S))
            step.execute()
    except (redis.RedisError, OSError):
        logger.warning("that %s failed is not kept", deployment, exc_info=True)


def note_answered(deployment: str) -> None:
    """Say that a deployment that had failed is there again; the first to say so tells whoever rests for want of it."""
    try:
        is_news = bool(shared_redis().hdel(KEPT, deployment))
    except (redis.RedisError, OSError):
        logger.warning("that %s is there again is not kept", deployment, exc_info=True)
        return
    if is_news:
        tell_returned([deployment])
