"""Real workers, as owners see and order them: they appear, are drained and resumed, and are called lost when killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings

from guildhall.fleet import presence
from guildhall.fleet.actions import drain_worker, pause_queue, resume
from guildhall.fleet.asleep import KEPT
from guildhall.fleet.models import Stop
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind, system_actor
from guildhall.kernel.errors import Conflict, Denied, Invalid
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.support.clients import Browser
from tests.support.console import console, errors, new_owner, recorded
from tests.support.processes import running, until
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
JOBS = Path(__file__).with_name("waiting_jobs.py")
BOARD = "/admin/fleet/stop/board"
ADD = "/admin/fleet/stop/add/"
LEFT_OVER = ("delivery", "unacked", "unacked_index")
REASON = "Its machine gets more memory."


@dataclass
class Fleet:
    """Two workers at one queue whose jobs wait until `let_go`, and an owner who looks at them."""

    folder: Path
    browser: Browser
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.browser.get(f"{BOARD}.json").json()
        return answer

    def worker(self, name: str) -> dict[str, Any]:
        return next((row for row in self.told()["workers"] if row["name"] == name), {})

    def state(self, name: str) -> str:
        return str(self.worker(name).get("state"))

    def queue(self) -> dict[str, Any]:
        return next(row for row in self.told()["queues"] if row["name"] == "delivery")

    def send(self, tenant: TestTenant, *marks: str) -> None:
        from guildhall.fleet.tests.waiting_jobs import wait_there

        for mark in marks:
            wait_there.send(tenant.schema, folder=str(self.folder), mark=mark)

    def at(self, mark: str) -> str:
        """The worker that is, or was, at the job; "" before any is."""
        place = self.folder / f"{mark}.at"
        return place.read_text() if place.exists() else ""

    def let_go(self, *marks: str) -> None:
        for mark in marks:
            (self.folder / f"{mark}.go").touch()

    def done(self, *marks: str) -> bool:
        return all((self.folder / f"{mark}.done").exists() for mark in marks)


def _command(name: str) -> list[str]:
    return [
        "-m", "celery", "-A", "guildhall.celery", "worker", "-Q", "delivery", "-c", "1", "-P", "threads", "-n", name,
        "--without-gossip", "--without-mingle", "--include", "guildhall.fleet.tests.waiting_jobs", "--loglevel", "INFO",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def pair(database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The workers `left@here` and `right@here`, which say when they go."""
    folder = tmp_path_factory.mktemp("fleet")
    redis.Redis.from_url(settings.REDIS_URL).delete(*LEFT_OVER, KEPT)
    made = Fleet(folder, console(new_owner()))
    with ExitStack() as stack:
        for name in ("left@here", "right@here"):
            made.workers[name] = stack.enter_context(running(*_command(name), log=folder / f"{name}.log"))
        until(lambda: {made.state(name) for name in made.workers} == {"idle"}, seconds=90, what="two idle workers")
        yield made
    assert made.told()["workers"] == [], "they left with a word"


@pytest.fixture
def fleet(pair: Fleet, tmp_path: Path) -> Iterator[Fleet]:
    """The pair; whatever the test did, nothing is stopped and nothing waits afterwards."""
    yield Fleet(tmp_path, pair.browser, pair.workers)
    with platform_scope():
        for stop in Stop.objects.filter(ended_at=None):
            resume(actor=system_actor("tests", PLATFORM), stop=stop)
    redis.Redis.from_url(settings.REDIS_URL).delete(*LEFT_OVER)


def test_an_owner_drains_a_worker_while_another_goes_on(fleet: Fleet, tenant: TestTenant) -> None:
    fleet.send(tenant, "first", "second")
    until(lambda: {fleet.at("first"), fleet.at("second")} == set(fleet.workers), what="a job at each worker")
    drained, other = fleet.at("first"), fleet.at("second")
    row: dict[str, Any] = until(lambda: next(iter(fleet.worker(drained)["doing"]), {}), what="what it is at")
    assert (row["job"], row["organisation"], row["phase"]) == ("wait there", tenant.slug.title(), "waiting")
    page = fleet.browser.get(f"{BOARD}/").content.decode()
    assert f"wait there of {tenant.slug.title()}, waiting, for" in page
    assert fleet.worker(drained)["state"] == "at work"

    assert "reason" in errors(fleet.browser.submit(ADD, {"part": "worker", "name": drained, "reason": "short"}))
    assert "name" in errors(fleet.browser.submit(ADD, {"part": "worker", "name": "nobody@here", "reason": REASON}))
    order = {"part": "worker", "name": drained, "reason": REASON}
    assert fleet.browser.submit(ADD, order).status_code == 302
    assert "stopped already" in fleet.browser.submit(ADD, order).content.decode()
    until(lambda: fleet.worker(drained)["taking"] == [], what="taking nothing")
    assert fleet.state(drained) == "draining", "it ends what it has"

    fleet.let_go("first", "second")
    until(lambda: fleet.done("first", "second"), what="the end of both")
    until(lambda: fleet.state(drained) == "drained", what="drained")
    fleet.let_go("third", "fourth", "fifth")
    fleet.send(tenant, "third", "fourth", "fifth")
    until(lambda: fleet.done("third", "fourth", "fifth"), what="the work of the other")
    assert {fleet.at(mark) for mark in ("third", "fourth", "fifth")} == {other}
    assert REASON in fleet.browser.get(f"{BOARD}/").content.decode()

    kept = fleet.worker(drained)["order"]
    assert fleet.browser.submit(f"/admin/fleet/stop/{kept}/resume/", {}).status_code == 302
    until(lambda: fleet.worker(drained)["taking"] == ["delivery"], what="taking again")
    fleet.send(tenant, "sixth", "seventh")
    until(lambda: {fleet.at("sixth"), fleet.at("seventh")} == set(fleet.workers), what="both at work again")
    fleet.let_go("sixth", "seventh")
    until(lambda: fleet.done("sixth", "seventh"), what="the end of them")
    entries = recorded(f"worker:{drained}")
    assert [entry["kind"] for entry in entries[:2]] == ["fleet.worker.resumed", "fleet.worker.drained"]
    assert {entry["actor"]["kind"] for entry in entries[:2]} == {"owner"}


def test_a_paused_queue_keeps_its_work_and_a_killed_worker_is_called_lost(fleet: Fleet, tenant: TestTenant) -> None:
    assert fleet.browser.submit(ADD, {"part": "queue", "name": "delivery", "reason": REASON}).status_code == 302
    until(
        lambda: [fleet.worker(name).get("taking") for name in fleet.workers] == [[], []], what="nobody taking from it"
    )
    fleet.send(tenant, "first")
    fleet.let_go("first")
    waiting = until(lambda: fleet.queue() if fleet.queue()["depth"] == 1 else None, what="the message")
    assert waiting is not None
    assert waiting["state"] == "paused"
    assert waiting["age"] >= 0

    with ExitStack() as stack:
        third = stack.enter_context(running(*_command("third@here"), log=fleet.folder / "third.log"))
        until(lambda: fleet.state("third@here") == "idle", seconds=90, what="a third worker")
        assert fleet.worker("third@here")["taking"] == [], "it knew before it took anything"
        third.send_signal(signal.SIGKILL)
        third.wait(60)
        until(lambda: fleet.state("third@here") == "lost", what="being called lost")
    assert fleet.state("left@here") == "idle", "the queue is paused, not the worker"
    redis.Redis.from_url(settings.REDIS_URL).delete(KEPT)
    until(lambda: fleet.state("left@here") == "idle", what="saying it anew after Redis lost everything")
    assert fleet.queue()["state"] == "paused", "orders are rows"
    assert fleet.at("first") == "", "nobody took it meanwhile"
    resumed = fleet.browser.submit(f"/admin/fleet/stop/{fleet.queue()['order']}/resume/", {})
    assert resumed.status_code == 302
    until(lambda: fleet.done("first"), what="what waited")


def test_a_page_waits_for_nobody_when_the_broker_is_away(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = console(new_owner())
    nowhere = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.2)
    monkeypatch.setattr(presence, "_redis", lambda: nowhere)
    assert browser.get(f"{BOARD}.json").json() == {"away": True, "workers": [], "queues": []}
    assert "The broker does not answer" in browser.get(f"{BOARD}/").content.decode()


def test_a_program_of_the_owners_orders_by_json(database: None) -> None:
    owner, at = new_owner(), "/admin/fleet/stop/orders.json"
    browser = console(owner)
    pause = {"act": "pause", "name": "provisioning", "reason": REASON}

    def order(body: dict[str, Any] | str, **headers: str) -> Any:
        return browser.post(at, body, content_type="application/json", headers=headers)

    assert order(pause).status_code == 403, "no token of the session"
    with platform_scope():
        assert not Stop.objects.filter(name="provisioning", ended_at=None).exists()
    token = {"X-CSRFToken": browser.csrf_token}
    for wrong in (
        "[]",
        "no JSON",
        {"act": "end"},
        {**pause, "name": "celery"},
        {**pause, "reason": "Short"},
        {"act": "drain"},
        "[" * 3000,
        {**pause, "reason": f"{REASON}\0"},
        {**pause, "reason": f"{REASON}\ud800"},
        json.dumps(pause) + " " * 4096,
    ):
        assert order(wrong, **token).status_code == 422, wrong
    made = order(pause, **token)
    assert (made.status_code, made.json()["part"], made.json()["ended_at"]) == (201, "queue", None)
    number = made.json()["order"]
    assert order(pause, **token).status_code == 409
    assert number in [one["order"] for one in browser.get(at).json()["orders"]]
    assert order({"act": "resume", "order": number}, **token).json()["ended_at"]
    assert order({"act": "resume", "order": number}, **token).status_code == 409
    for nothing in (0, True, "1", None):
        assert order({"act": "resume", "order": nothing}, **token).status_code == 404
    kinds = [entry["kind"] for entry in recorded("queue:provisioning")]
    assert {"fleet.queue.paused", "fleet.queue.resumed"} <= set(kinds), kinds
    for page in ("", f"{number}/change/"):
        seen = console(new_owner()).get(f"/admin/fleet/stop/{page}").content.decode()
        assert (owner.actor.name in seen, owner.actor.ref in seen) == (True, False), page
    stranger = Browser(settings.PUBLIC_HOST)
    assert stranger.get(at)["Location"].startswith("/admin/login/")


def test_nobody_but_owners_orders_workers(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema), pytest.raises(Denied):
        pause_queue(actor=tenant.actor("admin"), name="agents", reason=REASON)
    visitor = Actor(ActorKind.PERSON, "visitor", "Visitor", tenant=PLATFORM, roles=frozenset({"admin"}))
    owner = system_actor("tests", PLATFORM)
    with platform_scope():
        for order in (drain_worker, pause_queue):
            with pytest.raises(Denied):
                order(actor=visitor, name="agents", reason=REASON)
        with pytest.raises(Invalid):
            pause_queue(actor=owner, name="celery", reason=REASON)
        stop = pause_queue(actor=owner, name="provisioning", reason=REASON)
        with pytest.raises(Denied):
            resume(actor=visitor, stop=stop)
        resume(actor=owner, stop=stop)
        with pytest.raises(Conflict):
            resume(actor=owner, stop=stop)


def test_what_a_message_claims_is_only_shown(database: None) -> None:
    """A forged message reaches the page before its signature has been looked at."""
    script = (
        "import guildhall.celery, json\n"
        "from types import SimpleNamespace as Row\n"
        "from guildhall.fleet.heartbeat import _doing\n"
        "odd = [None, 7, 'x', {'tenant': ['a'], 'kwargs': 3}, {'kwargs': {'number': '1; DROP'}}]\n"
        "rows = [Row(kwargs={'envelope': e}, name='gpu_workers.tasks.execute_run', time_start=None, id='1') for e in odd]\n"
        "print(json.dumps([[d.tenant, d.run] for d in map(_doing, rows)]))\n"
    )
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env=os.environ).stdout
    assert json.loads(told) == [["", None], ["", None], ["", None], ["['a']", None], ["", None]]
