"""Waking consumers, and the numbers of refused reads."""

import time

import psycopg
from django.conf import settings
from django.core.cache import cache
from kombu.exceptions import OperationalError

from guildhall.evidence.delivery import deliver
from guildhall.evidence.relay import Placed, Sink
from guildhall.kernel.actions import record_denial
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.broker import app
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.errors import Denied
from guildhall.kernel.jobs import job
from guildhall.kernel.tenancy import current_tenant

EXPIRES = 60.0
"""Seconds after which a wake-up that no worker took is dropped; `wake_lagging` sends another."""
QUIET_SECONDS = 5.0

LAGGING = """
SELECT h.tenant, wanted.consumer
FROM evidence.outbox_head h CROSS JOIN unnest(%s::text[], %s::bool[]) AS wanted (consumer, platform)
LEFT JOIN evidence.consumer_cursor c ON c.tenant = h.tenant AND c.consumer = wanted.consumer
WHERE (h.tenant = %s) = wanted.platform AND coalesce(c.position, 0) < h.position
  AND EXISTS (SELECT FROM pg_roles WHERE rolname = h.tenant)  -- a dropped tenant's stream stays, unread
  AND (c.leased_until IS NULL OR c.leased_until < now()) AND (c.retry_at IS NULL OR c.retry_at <= now())
"""


@job("events")
def run_consumer(*, consumer: str) -> None:
    """Deliver to one consumer of the message's tenant until it has caught up."""
    known = registered_consumers().get(consumer)
    if known is not None:
        deliver(known)


def wake_consumers() -> Sink:
    """A relay sink that wakes the consumers which the placed kinds concern.

    After a broker that did not take a message it keeps quiet for a while: one that hangs must not hold up positions.
    `wake_lagging` wakes whom it has not woken.
    """
    consumers = registered_consumers().values()
    quiet_until = 0.0

    def sink(placed: Placed) -> None:
        nonlocal quiet_until
        if time.monotonic() < quiet_until:
            return
        kinds = {event["kind"] for event in placed.events}
        for consumer in consumers:
            if consumer.platform == (placed.tenant == PLATFORM) and consumer.kinds & kinds:
                try:
                    run_consumer.send(placed.tenant, expires=EXPIRES, queue=consumer.queue, consumer=consumer.name)
                except OperationalError:
                    quiet_until = time.monotonic() + QUIET_SECONDS
                    raise

    return sink


@app.task(name="guildhall.evidence.tasks.wake_lagging", ignore_result=True)
def wake_lagging() -> None:
    """Wake every consumer that is behind and that nobody holds: what a lost message or a dead worker left lying."""
    known = registered_consumers()
    names, platform = list(known), [consumer.platform for consumer in known.values()]
    with psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True) as db:
        lagging = db.execute(LAGGING, [names, platform, PLATFORM]).fetchall()
    for tenant, consumer in lagging:
        run_consumer.send(tenant, expires=EXPIRES, queue=known[consumer].queue, consumer=consumer)


@job("default")
def tell_refused_reads(*, key: str, route: str, who: dict[str, str]) -> None:
    """Write down how often somebody was refused to read something in the minute since the first time."""
    count = cache.get(key)
    if not count:
        return
    cache.delete(key)
    kind, _, identity = who["ref"].partition(":")
    actor = Actor(
        kind=ActorKind(kind),
        id=identity,
        name=who["name"],
        tenant=current_tenant(),
        via=who["via"],
        address=who["address"],
    )
    denial = Denied(f"{count} more times within a minute")
    record_denial("read", f"page:{route}"[:120], actor=actor, denial=denial)
