"""Reading in the audit trail: what was refused, and, where the platform is set to level 3, what sensitive was read.

Nobody can flood the chain by asking: of one actor and one route a minute has one row, and one more with the number of the
rest; of one actor at most `ROUTES_A_MINUTE` routes are named, the others are counted together.
"""

import logging
import re

from django.conf import settings
from django.core.cache import cache
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from guildhall.evidence.events import SensitiveRead
from guildhall.evidence.tasks import tell_refused_reads
from guildhall.kernel.actions import governed, record, record_denial
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied
from guildhall.kernel.rates import Rate, limiter

logger = logging.getLogger(__name__)
REFUSED_READS, SENSITIVE_READS = 2, 3
"""Levels from which on they are recorded."""

ROUTES_A_MINUTE = 20
WINDOW_SECONDS = 60
KEPT_SECONDS = 600
OTHERS = "others"

_sensitive: dict[str, re.Pattern[str]] = {}


def register_sensitive(what: str, routes: str) -> None:
    """Name what is read at routes that begin with the regular expression `routes`, without `/` and the API's prefix."""
    _sensitive[what] = re.compile(rf"/?(?:api/v1/)?(?:{routes})")


def note_refused(*, actor: Actor, route: str, address: str, denial: Denied) -> None:
    """Record that `actor` may not read `address` (a path), which `route` leads to, unless it is recorded already."""
    if settings.AUDIT_LEVEL < REFUSED_READS or denial.recorded:
        return
    own = Rate("refused read", f"{actor.tenant}:{actor.ref}:{route}", 1, WINDOW_SECONDS)
    every = Rate("refused reads", f"{actor.tenant}:{actor.ref}", ROUTES_A_MINUTE, WINDOW_SECONDS)
    full = limiter().take([own, every]).refused
    if full is None:
        record_denial("read", f"page:{address}"[:120], actor=actor, denial=denial)
    else:
        _count(actor, route if full.rate is own else OTHERS)


def _count(actor: Actor, route: str) -> None:
    """Count one more; the first has the number written down at the end of the minute. Not counted while Redis is away."""
    key = f"refused:{actor.ref}:{route}"
    try:
        if cache.add(key, 1, timeout=KEPT_SECONDS):
            told = {"ref": actor.ref, "name": actor.name, "via": actor.via, "address": actor.address}
            tell_refused_reads.send(actor.tenant, countdown=WINDOW_SECONDS, key=key, route=route, who=told)
        else:
            cache.incr(key)
    except (RedisError, OperationalError, ValueError) as problem:  # ValueError: written down between the two
        logger.warning("a refused read is not counted: %s", problem)


def note_read(*, actor: Actor, route: str, address: str) -> None:
    """Record, at level 3, that `actor` reads something sensitive: once a minute for each route."""
    if settings.AUDIT_LEVEL < SENSITIVE_READS:
        return
    what = next((name for name, routes in _sensitive.items() if routes.match(route)), None)
    own = Rate("sensitive read", f"{actor.tenant}:{actor.ref}:{address}", 1, WINDOW_SECONDS)
    if what and limiter().take([own]).refused is None:
        _note_read(actor=actor, what=what, address=address)


@governed("audit.note_read", lock=None)
def _note_read(*, actor: Actor, what: str, address: str) -> None:
    record(SensitiveRead(subject=f"page:{address}"[:120], what=what), actor=actor)
