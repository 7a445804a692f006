"""Everything that the platform's processes do for one tenant, done here and now: relay, consumers and runs.

Tests of what happens use it; tests of the processes themselves start the processes.
"""

from contextlib import closing

import psycopg
import redis
from django.conf import settings
from django.db import connection
from django.db.models import Max
from psycopg.rows import dict_row

from gpu_workers.dispatch import dispatch
from gpu_workers.errands import serve, waiting_lanes
from gpu_workers.handing_in import carry_out_hand_in, waiting_hand_ins
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from gpu_workers.runs.engine import execute
from gpu_workers.runs.journal import Observer, ignore
from guildhall.evidence.delivery import deliver
from guildhall.evidence.relay import Relay, announce
from guildhall.kernel.consumers import Consumer, registered_consumers
from guildhall.kernel.tenancy import tenant_scope
from tests.support.evidence import ConsumerCursor, DeadLetter, OutboxEvent

ROUNDS = 60
CATCH_UP = """
INSERT INTO consumer_cursor AS c (consumer, position)
SELECT unnest(%s::text[]), head.position FROM outbox_head head WHERE head.position > 0
ON CONFLICT (tenant, consumer) DO UPDATE SET position = EXCLUDED.position
"""


def relay() -> int:
    """Give positions to all committed events, and tell open pages."""
    placed = 0
    client = redis.Redis.from_url(settings.REDIS_URL)
    with closing(client), psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
        while step := Relay(settings.RELAY_DATABASE_URL, [announce(client)]).step(db):
            placed += step
    return placed


def consume(schema: str) -> int:
    """Deliver everything placed to every consumer of the tenant that wants any of it; the number of events passed over.

    What they have carried out in repositories is carried out.
    """
    with tenant_scope(schema):
        passed = sum(deliver(consumer) for consumer in _waiting())
        for repository in waiting_lanes():
            serve(repository)
    return passed


def _waiting() -> list[Consumer]:
    """Those who have not read an event of their kinds. To take everybody past what is not for them, each time, would be half
    of all statements of a story; `_catch_up` does it once."""
    read_to = dict(ConsumerCursor.objects.values_list("consumer", "position"))
    placed = dict(OutboxEvent.objects.exclude(position=None).values_list("kind").annotate(Max("position")))
    return [
        consumer
        for consumer in registered_consumers().values()
        if not consumer.platform and any(placed.get(kind, 0) > read_to.get(consumer.name, 0) for kind in consumer.kinds)
    ]


def _catch_up(schema: str) -> None:
    """Take the cursor of every consumer that waits for nothing to the end of the stream, all of them in one statement."""
    with tenant_scope(schema):
        waiting = {consumer.name for consumer in _waiting()}
        others = [name for name, each in registered_consumers().items() if not each.platform and name not in waiting]
        with connection.cursor() as cursor:
            cursor.execute(CATCH_UP, [others])


def run_agents(schema: str, observe: Observer = ignore) -> int:
    """Execute every run that nobody holds, and what people handed in; how many there were."""
    with tenant_scope(schema):
        # A run that rests because something is away is looked at again when that is over, as by the scheduler.
        Run.objects.filter(retry_at__isnull=False).update(retry_at=None)
        numbers = list(
            Run.objects.filter(state__in=[RunState.QUEUED, RunState.RUNNING], lease_until=None)
            .order_by("number")
            .values_list("number", flat=True)
        )
        for number in numbers:
            execute(number, observe)
        handed_in = waiting_hand_ins()
        for number in handed_in:
            carry_out_hand_in(number)
    return len(numbers) + len(handed_in)


def settle(schema: str, observe: Observer = ignore) -> None:
    """Go on until nothing moves any more. Raises AssertionError when it never stops or a consumer gave up."""
    for _ in range(ROUNDS):
        moved = relay()
        consume(schema)
        if run_agents(schema, observe) or moved or relay():
            continue
        with tenant_scope(schema):
            dispatch()  # events have it done as well; the scheduler's turn comes when nothing else moves
        if not relay():
            _catch_up(schema)
            with tenant_scope(schema):
                dead = list(DeadLetter.objects.filter(replayed_at=None).values_list("consumer", "error"))
            assert not dead, dead
            return
    raise AssertionError("the tenant does not come to rest")
