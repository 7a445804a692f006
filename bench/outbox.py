"""The outbox: from commit to the start of the consumer, against bare Celery's enqueue to start on the same worker."""

import sys
import time
from collections.abc import Callable

import redis
from django.conf import settings

from bench.figures import judge, of, show
from bench.processes import process
from bench.tenants import new_tenant
from bench.worker import STARTED, Ticked, bare
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.tenancy import tenant_scope

WORKER = ["-m", "celery", "-A", "bench.worker", "worker", "-P", "prefork", "-c", "2", "-Q", "events", "-l", "warning"]
WAIT_SECONDS = 60
TURN = 20


@governed("bench.tick", lock=None)
def tick(*, actor: Actor, number: int) -> None:
    """An action that only records."""
    record(Ticked(subject="bench:1", number=number), actor=actor)


def run(rounds: int) -> None:
    """Print both by turns, one at a time, then the rate of a burst from commit to consumed."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=None)  # waiting is bounded by the server
    schema = new_tenant().schema_name
    actor = system_actor("bench", schema)

    def commit() -> None:
        tick(actor=actor, number=1)

    def enqueue() -> None:
        bare.apply_async(queue="events")

    ours: list[float] = []
    peer: list[float] = []
    with process(sys.executable, "-m", "bench.relay"), process(sys.executable, *WORKER), tenant_scope(schema):
        for call in (commit, enqueue):
            for _ in range(5):
                _timed(client, call)
        while len(ours) < rounds:
            ours += [_timed(client, commit) for _ in range(TURN)]
            peer += [_timed(client, enqueue) for _ in range(TURN)]
        rate = _burst(client, commit, rounds)
    mine = of("ours: positions, audit, leases, order per tenant", ours)
    theirs = of("peer: bare Celery, enqueue to start", peer)
    show("outbox: commit to the start of the consumer", mine, theirs)
    judge("ours / peer, p95", mine.p95_ms / theirs.p95_ms, at_most=1.5)
    judge("ours / peer, p50", mine.median_ms / theirs.median_ms)
    print(f"  {'a burst of governed actions, all consumed':48} {rate:9.0f} events/s")


def _timed(client: redis.Redis, call: Callable[[], None]) -> float:
    """Milliseconds from the end of `call` (the commit, the enqueueing) to the start of what it causes."""
    call()
    began = time.monotonic()
    return (_started(client) - began) * 1000


def _started(client: redis.Redis) -> float:
    answer = client.blpop([STARTED], timeout=WAIT_SECONDS)
    if answer is None:
        raise RuntimeError("nothing started; is the worker up?")
    return float(answer[1])


def _burst(client: redis.Redis, commit: Callable[[], None], rounds: int) -> float:
    began = time.monotonic()
    for _ in range(rounds):
        commit()
    for _ in range(rounds):
        _started(client)
    return rounds / (time.monotonic() - began)
