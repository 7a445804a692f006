"""The outbox: from commit to placed and announced, against a bare INSERT with NOTIFY."""

import threading
import time
from typing import Any, ClassVar

import psycopg
from django.conf import settings

from bench.figures import of, show
from bench.tenants import new_tenant
from guildhall.evidence.relay import Placed, Relay
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.events import Event
from guildhall.kernel.tenancy import tenant_scope


class Ticked(Event):
    kind: ClassVar[str] = "bench.thing.ticked"
    number: int


@governed("bench.tick", lock=None)
def tick(*, actor: Actor, number: int) -> None:
    """An action that only records."""
    record(Ticked(subject="bench:1", number=number), actor=actor)


def run(rounds: int) -> None:
    """Print latency one by one, then the rate of a burst."""
    schema = new_tenant().schema_name
    actor = system_actor("bench", schema)
    placed = threading.Semaphore(0)

    def sink(batch: Placed) -> None:
        for _ in [event for event in batch.events if event["kind"] == Ticked.kind]:
            placed.release()

    stop = threading.Event()
    relay = threading.Thread(target=Relay(settings.RELAY_DATABASE_URL, [sink]).run, args=(stop,))
    relay.start()
    try:
        with tenant_scope(schema):
            took = [_timed(actor, number, placed) for number in range(rounds + 1)][1:]
            began = time.perf_counter()
            for number in range(rounds * 5):
                tick(actor=actor, number=number)
            for _ in range(rounds * 5):
                placed.acquire()
            rate = rounds * 5 / (time.perf_counter() - began)
    finally:
        stop.set()
        relay.join()
    show(
        "outbox: commit to announced",
        of("ours: positions, audit, row-level security", took),
        _bare(rounds),
        wanted="the relay adds at most 20 ms",
    )
    print(f"  {'a burst of governed actions, placed':44} {rate:9.0f} events/s\n")


def _timed(actor: Actor, number: int, placed: threading.Semaphore) -> float:
    tick(actor=actor, number=number)
    began = time.perf_counter()
    placed.acquire()
    return (time.perf_counter() - began) * 1000


def _bare(rounds: int) -> Any:
    """A table, an INSERT, a NOTIFY, a listener: what is left when nothing is promised."""
    heard = threading.Semaphore(0)
    stop = threading.Event()

    def listen() -> None:
        with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
            db.execute("LISTEN bare")
            heard.release()
            while not stop.is_set():
                for _ in db.notifies(timeout=0.2, stop_after=1):
                    heard.release()

    listener = threading.Thread(target=listen)
    listener.start()
    heard.acquire()
    took = []
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
        db.execute("CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, body text)")
        for number in range(rounds):
            with db.transaction():
                db.execute("INSERT INTO bare (body) VALUES (%s)", [str(number)])
                db.execute("NOTIFY bare")
            began = time.perf_counter()
            heard.acquire()
            took.append((time.perf_counter() - began) * 1000)
    stop.set()
    listener.join()
    return of("peer: bare insert and notify", took)
