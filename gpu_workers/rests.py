"""How many runs rest for want of what they need, by the model route that they wait for: counted by tenant, kept in Redis."""

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import cast

import redis
from django.db.models import Count
from django.db.models.functions import Now

from gateway.engines import shared_redis
from gpu_workers.models import Run
from gpu_workers.models.run import AWAITS, RunState
from guildhall.kernel.tenancy import current_tenant

logger = logging.getLogger(__name__)
KEPT = "guildhall:rests"
FRESH_SECONDS = 60.0
"""A tenant that nobody has counted for so long counts no more."""
NO_ROUTE = "none"
"""What is told of runs that lack something else: the sandbox, a forge, the disk."""


def keep_rests() -> None:
    """Count those of the current tenant."""
    resting = Run.objects.filter(
        state__in=[RunState.QUEUED, RunState.RUNNING], lease_until=None, retry_at__gt=Now()
    ).values_list(f"outcome__{AWAITS}")
    found = {route or NO_ROUTE: count for route, count in resting.annotate(count=Count("pk")).order_by()}
    try:
        with shared_redis().pipeline() as step:
            step.hset(KEPT, current_tenant(), json.dumps([time.time(), found]))
            step.expire(KEPT, int(FRESH_SECONDS) * 2)
            step.execute()
    except (redis.RedisError, OSError):
        logger.warning("how many runs rest is not kept", exc_info=True)


def kept_rests() -> dict[str, int]:
    """Runs of all tenants that rest, by route; empty where none was counted lately."""
    try:
        told = cast("Mapping[bytes, bytes]", shared_redis().hgetall(KEPT))
    except (redis.RedisError, OSError):
        return {}
    counts: Counter[str] = Counter()
    for at, found in map(json.loads, told.values()):
        if time.time() - at <= FRESH_SECONDS:
            counts.update(found)
    return dict(counts)
