"""Two engines that are the same to a call: it waits for either, and one that failed is left alone for a while."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway import routing
from gateway.cooling import KEPT, kept_failures, note_failed
from gateway.engines import shared_redis
from gateway.models import Deployment, Route
from gateway.places import Engine, places
from gateway.routing import targets_for
from gateway.tests.test_chunks import second
from gateway.tests.test_completion import HELLO, assert_settled, billed, provider, say
from gateway.tests.test_places import Dying, dying, failed_calls, said
from guildhall.kernel.tenancy import platform_scope
from tests.fakes.openai_server import OpenAIServer
from tests.support.clock import Clock, clock
from tests.support.console import console, new_owner
from tests.support.processes import until
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
__all__ = ["clock", "dying", "provider", "second"]
Pair = tuple[OpenAIServer, OpenAIServer]


@pytest.fixture
def pair(provider: OpenAIServer, second: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Two deployments of one model, each of which works at one call at once."""
    monkeypatch.setattr(routing, "_begun", routing._Begun())
    monkeypatch.setattr(routing, "kept_loads", dict)
    with platform_scope():
        Deployment.objects.filter(name__in=["scripted", "second"]).update(slots=1)
    shared_redis().delete(KEPT)
    yield provider, second
    shared_redis().delete(KEPT)


def order() -> list[str]:
    with platform_scope():
        return [target.deployment for target in targets_for("test")]


def test_who_waits_takes_whichever_place_comes_free(tenant: TestTenant, pair: Pair) -> None:
    for server in pair:
        server.script = [{**HELLO, "hold": True}]
    hung, well = pair
    with ThreadPoolExecutor(6) as pool:
        try:
            calls = [pool.submit(said, tenant, f"call:{number}") for number in range(6)]
            until(lambda: all(server.asked for server in pair), what="both to be at work")
            well.opened.set()
            until(lambda: sum(call.done() for call in calls) == 5, what="all but the call that hangs")
            assert len(hung.asked) == 1
        finally:
            for server in pair:
                server.opened.set()
    assert sorted(call.result().deployment for call in calls) == ["scripted", *["second"] * 5]
    assert_settled(tenant, billed(hung) + billed(well))


def test_who_waits_for_one_that_dies_waits_for_the_other_alone(
    tenant: TestTenant, dying: Dying, second: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "_least_loaded_first", lambda found, failures: found)
    with platform_scope():
        Deployment.objects.filter(name="second").update(slots=1)
    second.script = [{**HELLO, "hold": True}]
    with ThreadPoolExecutor(5) as pool:
        try:
            calls = [pool.submit(said, tenant, f"at work:{number}") for number in range(2)]
            until(lambda: dying.is_asked() and second.asked, what="both to be at work")
            calls += [pool.submit(said, tenant, f"in line:{number}") for number in range(3)]
            lines = [dying.url, second.url]
            until(lambda: set(places().waiting(lines).values()) == {3}, what="three in both lines")
            dying.die()
            until(lambda: places().waiting(lines) == {dying.url: 0, second.url: 4}, what="all in the other's line")
            with places().one_at([Engine(dying.url, 1)], wait_s=0):
                assert len(second.asked) == 1, "and no longer before whoever comes to try the first"
        finally:
            second.opened.set()
        assert {call.result(timeout=120).deployment for call in calls} == {"second"}
    assert [key.partition(":")[0] for key in failed_calls(tenant)] == ["at work"], "nobody else had to find out"
    assert_settled(tenant, billed(second))


def test_one_that_breaks_off_or_says_nothing_for_all_the_time_is_not_asked_again_at_once(
    tenant: TestTenant, pair: Pair, clock: Clock
) -> None:
    broken, well = pair
    broken.script = [{**HELLO, "disconnect": True}]
    cut = say(tenant, "1")
    assert (cut.deployment, bool(cut.cut)) == ("scripted", True), "nothing is asked again after the first token"
    assert set(kept_failures()) == {"scripted"}
    assert order() == ["second", "scripted"]
    assert say(tenant, "1~2").deployment == "second"
    assert (len(broken.asked), len(well.asked)) == (1, 1)
    shared_redis().delete(KEPT)
    broken.script = [{**HELLO, "hold": True}]
    clock.skip(30, when=broken.holding)
    silent = say(tenant, "2", timeout_s=20.0)
    assert (silent.deployment, bool(silent.cut)) == ("scripted", True), (
        "it may have worked all that time, and is paid for it"
    )
    assert "scripted" in kept_failures()
    assert order() == ["second", "scripted"]
    assert say(tenant, "2~2").deployment == "second", "whoever asks again asks the other"
    with ThreadPoolExecutor(1) as pool:
        cancel = threading.Event()
        shared_redis().delete(KEPT)
        stopped = pool.submit(say, tenant, "3", cancel=cancel)
        until(lambda: len(broken.asked) == 3, what="the call to be asked")
        cancel.set()
        assert stopped.result().cut == "cancelled"
    assert kept_failures() == {}, "that we hang up is not its failure"


def test_one_that_failed_rests_is_asked_last_and_never_not_at_all(tenant: TestTenant, pair: Pair, clock: Clock) -> None:
    hung, well = pair
    hung.script = [{**HELLO, "hold": True}]
    assert order() == ["scripted", "second"]
    clock.skip(90, when=hung.holding)
    assert say(tenant, "1", timeout_s=600.0).deployment == "second"
    assert len(hung.asked) == 1, "who said nothing for all of its time is not asked once more"
    assert order() == ["second", "scripted"]
    page = console(new_owner()).get("/admin/gateway/deployment/engines/").content.decode()
    assert "failed 1 in a row" in page
    note_failed("scripted")
    assert kept_failures()["scripted"].count == 1, "calls that fail together are one failure"
    hung.opened.set()
    hung.script = [HELLO]
    with platform_scope():
        Route.objects.filter(name="test", deployment__name="second").update(rank=0)
        Deployment.objects.filter(name="second").update(active=False)
        assert targets_for("test")[0].deployment == "scripted", "no route is ever left without any"
        Deployment.objects.filter(name="second").update(active=True)
    well.script = [{"status": 401}]
    assert say(tenant, "2").deployment == "scripted"
    assert set(kept_failures()) == {"second"}, "an answer ends its rest"
