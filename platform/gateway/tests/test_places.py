"""Places at an engine: more calls than it works at wait in line, at no cost of their time, money or a connection."""

import select
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from decimal import Decimal

import pytest
import stamina
from django.conf import settings
from django.db import connection

from gateway.calls import Completion
from gateway.engines import look_at_engines
from gateway.models import Deployment
from gateway.places import Engine, Places, places
from gateway.tests.test_completion import HELLO, assert_settled, billed, provider, say
from gateway.wire import CallFailed
from governance.tests.tools import rows
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.fakes.openai_server import OpenAIServer
from tests.support.processes import until
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
__all__ = ["provider"]
LOCAL = "127.0.0.1"
SLOTS = 2
CALLS = 12
SECONDS_EACH = 0.5
ENOUGH_FOR_ONE = 2.5
"""Five times what a call takes, and less than all of them together take."""


class Watched(threading.Event):
    """A caller's stop, which is looked at in its own thread while it waits; notes whether that has a connection then."""

    def __init__(self) -> None:
        super().__init__()
        self.connected: list[bool] = []

    def is_set(self) -> bool:
        self.connected.append(connection.connection is not None)
        return super().is_set()


class Dying:
    """An engine that takes calls in and says nothing, until it dies with them."""

    def __init__(self) -> None:
        self._socket = socket.create_server((LOCAL, 0))
        self.url = f"http://{LOCAL}:{self._socket.getsockname()[1]}/v1"

    def is_asked(self) -> bool:
        return bool(select.select([self._socket], [], [], 0)[0])

    def die(self) -> None:
        """Its connections break off, and there are no new ones."""
        self._socket.close()


@pytest.fixture
def dying(provider: OpenAIServer) -> Iterator[Dying]:
    """In place of the provider, with a deployment that sends it one call at a time, and again at once where that fails."""
    engine = Dying()
    with platform_scope():
        Deployment.objects.filter(name="scripted").update(slots=1, base_url=engine.url, timeout_s=600)
    with stamina.set_testing(True, attempts=2):
        yield engine
    engine.die()


@pytest.fixture
def narrow(provider: OpenAIServer) -> OpenAIServer:
    """An engine that works at two calls at once, and whose deployment says so."""
    provider.slots = threading.Semaphore(SLOTS)
    with platform_scope():
        Deployment.objects.filter(name="scripted").update(slots=SLOTS)
    return provider


def said(tenant: TestTenant, key: str, cancel: threading.Event | None = None, timeout_s: float = 60.0) -> Completion:
    with closing(connection):
        return say(tenant, key, cancel=cancel, timeout_s=timeout_s)


def failed_calls(tenant: TestTenant) -> list[str]:
    """The keys of those that were sent and that nobody answered."""
    with tenant_scope(tenant.schema):
        return [key for (key,) in rows("SELECT payload->>'key' FROM outbox_event WHERE kind = 'gateway.call.failed'")]


def waiting() -> float | None:
    with platform_scope():
        return look_at_engines()["scripted"].waiting


def test_more_calls_than_places_wait_and_none_runs_out_of_its_time(tenant: TestTenant, narrow: OpenAIServer) -> None:
    narrow.script = [{**HELLO, "chunks": 10, "chunk_delay": SECONDS_EACH / 10}]
    with ThreadPoolExecutor(CALLS) as pool:
        asked = [pool.submit(said, tenant, f"call:{n}", None, ENOUGH_FOR_ONE) for n in range(CALLS)]
        answers = [call.result() for call in asked]
    assert {(answer.text, answer.cut) for answer in answers} == {("Returns are free within 30 days.", "")}
    assert len(narrow.journal) == CALLS
    in_line = sorted(answer.queued_ms for answer in answers)
    assert in_line[0] < in_line[-1], "how long each stood in line is told"
    assert_settled(tenant, billed(narrow))


def test_who_waits_holds_neither_money_nor_a_connection_and_is_cut_at_once(
    tenant: TestTenant, narrow: OpenAIServer
) -> None:
    narrow.script = [{**HELLO, "hold": True}]
    inside, behind = ([Watched() for _ in range(number)] for number in (SLOTS, 3))
    with ThreadPoolExecutor(8) as pool:
        try:
            at_work = [pool.submit(said, tenant, f"in:{n}", stop) for n, stop in enumerate(inside)]
            until(lambda: len(narrow.asked) == SLOTS, what="as many at work as there are places")
            in_line = [pool.submit(said, tenant, f"behind:{n}", stop) for n, stop in enumerate(behind)]
            until(lambda: waiting() == 3, what="three in line")
            with tenant_scope(tenant.schema):
                assert rows("SELECT count(*) FROM governance_reservation WHERE state = 'open'") == [(SLOTS,)]
            for stop in behind:
                stop.set()
            refusals = [call.exception(timeout=120) for call in in_line]
            assert not any(call.done() for call in at_work)
            for stop in inside:
                stop.set()
            assert [call.result(timeout=120).cut for call in at_work] == ["cancelled"] * SLOTS
        finally:
            narrow.opened.set()
    assert all(isinstance(refusal, Unavailable) and "while it waited" in refusal.detail for refusal in refusals)
    assert not any(any(stop.connected[1:]) for stop in behind)
    assert len(narrow.asked) == SLOTS, "what was stopped in line was never sent"
    with tenant_scope(tenant.schema):
        assert rows("SELECT count(*) FROM governance_reservation WHERE state = 'open'") == [(0,)]


def test_who_waits_for_an_engine_that_dies_fails_with_the_call_that_finds_out(tenant: TestTenant, dying: Dying) -> None:
    with ThreadPoolExecutor(4) as pool:
        at_work = pool.submit(said, tenant, "in")
        until(dying.is_asked, what="the call that has its place")
        in_line = [pool.submit(said, tenant, f"behind:{number}") for number in range(3)]
        until(lambda: places().waiting([dying.url]) == {dying.url: 3}, what="three in line")
        dying.die()
        refusals = [call.exception(timeout=120) for call in (at_work, *in_line)]
    assert all(isinstance(one, Unavailable) and "did not answer: Connection error" in one.detail for one in refusals)
    assert ["so a call ahead of it found" in str(one) for one in refusals] == [False, True, True, True]
    assert failed_calls(tenant) == ["in"], "nobody else had to find out"
    assert_settled(tenant, Decimal(0))
    with Places(settings.REDIS_URL).one_at([Engine(dying.url, 1)], wait_s=0):
        assert True, "its place is free, and whoever comes now tries it"


def test_places_are_shared_by_processes_and_those_of_a_dead_one_come_free(database: None) -> None:
    ours, theirs = (Places(settings.REDIS_URL, lease_s=1.0) for _ in range(2))
    with ours.one_at([Engine("http://one", 1)], wait_s=0) as (_, keep):
        with (
            pytest.raises(CallFailed, match="none of its 1 places"),
            theirs.one_at([Engine("http://one", 1)], wait_s=0),
        ):
            pass
        assert theirs.waiting(["http://one"]) == {"http://one": 0}, "who gave up is no longer in line"
        for _ in range(3):
            keep()
    with theirs.one_at([Engine("http://one", 1)], wait_s=0):
        pass
    dead = ExitStack()
    dead.enter_context(ours.one_at([Engine("http://two", 1)], wait_s=0))
    with theirs.one_at([Engine("http://two", 1)], wait_s=20):
        assert True, "nobody kept the other one's"
    dead.close()


def test_without_redis_a_process_counts_for_itself() -> None:
    alone = Places("redis://127.0.0.1:9/0")
    with (
        alone.one_at([Engine("http://one", 1)], wait_s=0),
        pytest.raises(CallFailed, match="came free"),
        alone.one_at([Engine("http://one", 1)], wait_s=0),
    ):
        pass
    with alone.one_at([Engine("http://one", 1)], wait_s=0):
        assert alone.waiting(["http://one"]) == {}
