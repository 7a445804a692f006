"""How busy engines are: read from what they say, shown to owners, and decisive among deployments of one model."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings

from gateway import engines, routing
from gateway.engines import Load, in_order_of_load, look_at_engines
from gateway.models import Deployment, Price, Route
from gateway.routing import note_begun, targets_for
from gateway.tests.metrics import vllm
from gateway.tests.test_completion import HELLO, say
from guildhall.kernel.tenancy import platform_scope
from tests.fakes.openai_server import OpenAIServer
from tests.support.clients import Browser
from tests.support.console import console, new_owner
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
Pair = dict[str, OpenAIServer]


@pytest.fixture
def pair(database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Two deployments of one model and one of another, in this order, on the route `test`."""
    monkeypatch.setattr(routing, "_begun", routing._Begun())
    names = {"left": "same", "right": "same", "other": "another"}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(OpenAIServer([HELLO])) for name in names}
        with platform_scope():
            Route.objects.filter(name="test").delete()
            for rank, (name, model) in enumerate(names.items()):
                values = {"base_url": servers[name].url, "model": model, "active": True, "timeout_s": 10}
                row, _ = Deployment.objects.update_or_create(name=name, defaults=values)
                Route.objects.create(name="test", rank=rank, deployment=row)
                price = {"valid_from": "2026-01-01", "tokens_in": 1, "tokens_out": 1, "tokens_cached": 1}
                Price.objects.get_or_create(model=model, version="1", defaults=price)
        yield servers
        with platform_scope():
            Route.objects.filter(name="test").delete()
            Deployment.objects.filter(name__in=names).delete()
            look_at_engines()


def busy(pair: Pair, **running: int) -> dict[str, Load]:
    for name, number in running.items():
        pair[name].metrics = vllm(running=number, waiting=0, written=1000)
    with platform_scope():
        return look_at_engines()


def order() -> list[str]:
    with platform_scope():
        return [target.deployment for target in targets_for("test")]


def begin() -> str:
    """Where a call goes that begins now."""
    first = order()[0]
    note_begun(first)
    return first


def test_a_call_goes_to_the_shortest_queue_of_its_model(tenant: TestTenant, pair: Pair) -> None:
    busy(pair, left=6, right=1, other=0)
    assert order() == ["right", "left", "other"], "another model is no replacement, however idle"
    say(tenant)
    assert [len(server.journal) for server in pair.values()] == [0, 1, 0]
    busy(pair, left=0, right=4)
    assert order() == ["left", "right", "other"]


def test_calls_of_one_moment_are_spread(pair: Pair) -> None:
    busy(pair, left=0, right=2, other=0)
    assert [order()[0] for _ in range(6)] == ["left"] * 6, "to look is not to call"
    assert [begin() for _ in range(6)] == ["left", "left", "left", "right", "left", "right"]


def test_an_engine_that_is_away_is_tried_last_and_first_again_when_it_is_back(tenant: TestTenant, pair: Pair) -> None:
    busy(pair, left=0, right=0, other=0)
    with platform_scope():
        url = Deployment.objects.get(name="left").base_url
        Deployment.objects.filter(name="left").update(base_url="http://127.0.0.1:9/v1")
        found = look_at_engines()
    assert (found["left"].healthy, found["right"].healthy) == (False, True)
    assert order() == ["right", "other", "left"]
    say(tenant)
    with platform_scope():
        Deployment.objects.filter(name="left").update(base_url=url)
        assert look_at_engines()["left"].healthy
    assert order()[-1] == "other"


def test_ranks_decide_where_nothing_is_known() -> None:
    ranked = [("a", "x"), ("b", "y"), ("c", "x")]
    assert in_order_of_load(ranked, {}, {}) == ["a", "c", "b"]
    assert in_order_of_load(ranked, {}, {}, {"a"}) == ["c", "b", "a"]


def test_owners_see_the_engines_and_nobody_else(tenant: TestTenant, pair: Pair) -> None:
    busy(pair, left=6)
    pair["left"].metrics = vllm(running=6, waiting=0, cache_use=0.25, written=9000)
    busy(pair)
    browser = console(new_owner())
    page = browser.get("/admin/gateway/deployment/engines/").content.decode()
    assert "healthy" in page
    assert "25 %" in page
    told = browser.get("/admin/gateway/deployment/engines.json").json()["engines"]
    left = next(row for row in told if row["name"] == "left")
    assert (left["state"], left["routes"], left["load"]["running"]) == ("healthy", ["test (0)"], 6)
    assert left["load"]["tokens_per_s"] > 0
    stranger = Browser(settings.PUBLIC_HOST)
    assert stranger.get("/admin/gateway/deployment/engines.json")["Location"].startswith("/admin/login/")


class Dripping(BaseHTTPRequestHandler):
    """An engine that answers well, one byte at a time, and never ends; but at once where `prompt` ends the path."""

    over: threading.Event
    prompt: str

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(ConnectionError):
            while not self.path.endswith(self.prompt) and not self.over.wait(0.05):
                self.wfile.write(b"#")


@pytest.mark.parametrize(("prompt", "well"), [("nowhere", False), ("/models", True)])
def test_an_engine_that_drips_is_away_only_where_it_says_what_it_serves_and_keeps_nobody_waiting(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, prompt: str, well: bool
) -> None:
    busy(pair, left=0)
    monkeypatch.setattr(engines, "ASK_SECONDS", 0.5)
    over = threading.Event()
    handler = type("Now", (Dripping,), {"over": over, "prompt": prompt})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        with platform_scope():
            Deployment.objects.filter(name="left").update(base_url=f"http://127.0.0.1:{server.server_port}/v1")
            try:
                found = look_at_engines()
            finally:
                over.set()
                server.shutdown()
    assert (found["left"].healthy, found["left"].running, "ReadTimeout" in found["left"].problem) == (well, None, True)
    assert found["right"].healthy
    assert order() == (["left", "right", "other"] if well else ["right", "other", "left"])
