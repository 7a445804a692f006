"""The relay: positions without gaps, in the order of commits, whatever dies and whoever commits late."""

import os
import random
import signal
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from guildhall.evidence import selectors
from guildhall.evidence.tests.poking import Poked, place, poke, pokes
from guildhall.kernel.tenancy import tenant_scope
from tests.support.processes import running, until
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration

BARE = """
import os, threading
from guildhall.evidence.relay import Relay
Relay(os.environ["RELAY_DATABASE_URL"], []).run(threading.Event())
"""

HANGING = """
import os, socket
server = socket.create_server(("127.0.0.1", 0))  # takes connections and never says a word
os.environ["REDIS_URL"] = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
import guildhall.celery
from kombu.exceptions import OperationalError
from guildhall.evidence.relay import Placed
from guildhall.evidence.tasks import wake_consumers
from guildhall.kernel.consumers import registered_consumers
kind = next(iter(next(c for c in registered_consumers().values() if not c.platform).kinds))
sink = wake_consumers()
try:
    sink(Placed("org_any", [{"kind": kind}]))
except OperationalError:
    sink(Placed("org_any", [{"kind": kind}]))
    print("given up, then quiet", flush=True)
"""


def positions(tenant: TestTenant) -> list[int]:
    with tenant_scope(tenant.schema):
        return [event["position"] for event in selectors.events_after(0, 10_000)]


def numbers(tenant: TestTenant) -> list[int]:
    with tenant_scope(tenant.schema):
        return [e["payload"]["times"] for e in selectors.events_after(0, 10_000) if e["kind"] == Poked.kind]


def unplaced(tenant: TestTenant) -> int:
    with tenant_scope(tenant.schema), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM outbox_event WHERE position IS NULL")
        return int(cursor.fetchone()[0])


def test_a_late_commit_gets_a_later_position_and_no_gap(tenant: TestTenant) -> None:
    place()
    start = len(positions(tenant))
    inserted, overtaken = threading.Event(), threading.Event()

    def slow() -> None:
        def wait() -> None:
            inserted.set()
            assert overtaken.wait(120)

        with tenant_scope(tenant.schema):
            poke(actor=tenant.system(), times=1, then=wait)
        connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    assert inserted.wait(120)
    pokes(tenant, 1, start=2)
    place()
    assert numbers(tenant) == [2]
    overtaken.set()
    writer.join()
    place()
    assert numbers(tenant) == [2, 1]
    assert positions(tenant) == list(range(1, start + 3))


def test_rolled_back_event_is_never_placed(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema), pytest.raises(ZeroDivisionError):
        poke(actor=tenant.system(), times=1, then=lambda: 1 // 0)
    place()
    assert numbers(tenant) == []


def test_two_relays_at_once_place_each_event_once(tenant: TestTenant, other_tenant: TestTenant) -> None:
    pokes(tenant, 40)
    pokes(other_tenant, 40)
    relays = [threading.Thread(target=place) for _ in range(3)]
    for relay in relays:
        relay.start()
    for relay in relays:
        relay.join()
    for mine in (tenant, other_tenant):
        assert positions(mine) == list(range(1, len(positions(mine)) + 1))
        assert numbers(mine) == list(range(40))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_relays_that_are_killed_at_any_moment_lose_and_double_nothing(
    tenant: TestTenant, other_tenant: TestTenant, log: Path, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311
    each, writers = 60, []

    def write(mine: TestTenant, start: int) -> None:
        for number in range(start, start + each):
            with tenant_scope(mine.schema):
                poke(actor=mine.system(), times=number)
        connection.close()

    def reached(goal: int) -> bool:
        return len(positions(tenant)) >= goal or not unplaced(tenant)

    for mine in (tenant, other_tenant):
        writers += [threading.Thread(target=write, args=[mine, start]) for start in (0, each)]
    for writer in writers:
        writer.start()
    for _ in range(3):
        with running("-c", BARE, log=log) as relay:
            goal = len(positions(tenant)) + dice.randrange(1, 25)
            until(partial(reached, goal), what="the relay")
            os.kill(relay.pid, signal.SIGKILL)
            relay.wait()
    for writer in writers:
        writer.join()
    with running("-c", BARE, log=log):
        until(lambda: not unplaced(tenant) and not unplaced(other_tenant), what="the last relay")
    for mine in (tenant, other_tenant):
        assert positions(mine) == list(range(1, len(positions(mine)) + 1))
        assert sorted(numbers(mine)) == list(range(2 * each))


def test_spare_relay_takes_over_and_a_lost_connection_is_made_again(
    tenant: TestTenant, log: Path, ended: "Ended"
) -> None:
    with running("-c", BARE, log=log) as first, running("manage.py", "relay", log=log) as spare:
        pokes(tenant, 3)
        until(lambda: len(numbers(tenant)) == 3, what="placing")
        os.kill(first.pid, signal.SIGKILL)
        pokes(tenant, 3, start=3)
        until(lambda: len(numbers(tenant)) == 6, what="placing by the spare")
        ended.by_server("guildhall_relay")
        pokes(tenant, 3, start=6)
        until(lambda: len(numbers(tenant)) == 9, what="placing after the connection was cut")
        spare.send_signal(signal.SIGTERM)
        assert spare.wait(120) == 0, "it ends when told"


class Ended:
    """Ends sessions from the server's side."""

    def __init__(self, superuser: psycopg.Connection[tuple[object, ...]]) -> None:
        self._superuser = superuser

    def by_server(self, login: str) -> None:
        self._superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [login])


@pytest.fixture
def ended(services: object) -> Iterator[Ended]:
    url = services.postgres.url("postgres")  # type: ignore[attr-defined]
    with psycopg.connect(url, autocommit=True) as superuser:
        yield Ended(superuser)


def test_relay_login_may_only_place(tenant: TestTenant) -> None:
    pokes(tenant, 1)
    with psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True) as db:
        for query in (
            "UPDATE evidence.outbox_event SET payload = '{}'",
            "DELETE FROM evidence.outbox_event",
            "SELECT * FROM evidence.audit_entry",
            "SELECT * FROM public.tenants_user",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(query.encode())


def test_a_broker_that_hangs_is_given_up(tmp_path: Path) -> None:
    log = tmp_path / "hanging"
    with running("-c", HANGING, log=log):
        until(lambda: "given up, then quiet" in log.read_text(), seconds=60, what="giving up")
