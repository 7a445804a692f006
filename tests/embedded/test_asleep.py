"""The workers of `make up` at runs and at merges under the real supervisor: they sleep, wake for work, and no death loses any."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings

from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from gpu_workers.tasks import execute_run, wake_runs
from guildhall.embedded.running import Running
from guildhall.embedded.stack import AGENT_THREADS
from guildhall.embedded.users import service_root
from guildhall.fleet.asleep import KEPT
from guildhall.fleet.tests.waiting_jobs import note_it, wait_there
from guildhall.kernel.tenancy import tenant_scope
from tests.support.busy import queue_many
from tests.support.clients import Browser
from tests.support.console import console, new_owner
from tests.support.notes import CALLS, note_script
from tests.support.processes import ROOT, until
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model

pytestmark = pytest.mark.integration
BOARD = "/admin/fleet/stop/board"
NAME = f"agents@{socket.gethostname()}"
CANCELLED = "Canceling queue agents"
"""What Celery writes when a worker takes nothing more."""


class House:
    """The worker, seen from outside."""

    def __init__(self, folder: Path) -> None:
        self.var, self.notes = folder / "var", folder / "notes"
        self._running = Running(self.var)

    def service(self) -> dict[str, Any]:
        """What the supervisor says of it."""
        found: dict[str, Any] = self._running.read("state").get("services", {}).get("agents", {})
        return found

    def asleep(self) -> bool:
        return self.service().get("phase") == "asleep"

    def times_cancelled(self) -> int:
        log = self.var / "log" / "agents.log"
        return log.read_text().count(CANCELLED) if log.exists() else 0

    def goes_to_sleep(self, after: int) -> None:
        """Wait until it has taken its last message once more than `after` times: it has not ended yet."""
        until(lambda: self.times_cancelled() > after, seconds=60, what="going to sleep")

    def noted(self) -> list[str]:
        return self.notes.read_text().split() if self.notes.exists() else []

    def kill(self) -> None:
        """Kill the worker, unless it has just ended."""
        if pid := self.service()["pid"]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @contextmanager
    def supervised(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "tests.embedded.sleeper_for_tests", str(self.var)]
        with subprocess.Popen(command, cwd=ROOT) as supervisor:
            try:
                yield supervisor
            finally:
                supervisor.terminate()


@pytest.fixture
def house(database: None, tmp_path: Path) -> Iterator[House]:
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete("agents", "merges", "unacked", "unacked_index", KEPT)
    yield House(tmp_path)
    shutil.rmtree(service_root(tmp_path / "var"), ignore_errors=True)
    broker.delete("agents", "merges", "unacked", "unacked_index", KEPT)


def test_a_worker_sleeps_until_it_is_wanted_and_nothing_is_lost_or_done_twice(house: House, tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true")

    def send(mark: str, queue: str = "agents") -> None:
        note_it.send(tenant.schema, queue=queue, file=str(house.notes), mark=mark)

    with house.supervised() as supervisor:
        until(house.asleep, seconds=90, what="the first sleep")
        _shown_as_asleep(console(new_owner()))
        folder, busy = house.notes.parent, [f"run-{number}" for number in range(AGENT_THREADS)]
        for mark in busy:
            wait_there.send(tenant.schema, queue="agents", folder=str(folder), mark=mark)
        until(lambda: all((folder / f"{mark}.at").exists() for mark in busy), seconds=60, what="every thread at a run")
        send("run")
        send("merge", "merges")
        until(lambda: house.noted() == ["merge"], seconds=60, what="the merge, which waits for no run to end")
        for mark in busy:
            (folder / f"{mark}.go").touch()
        until(lambda: house.noted() == ["merge", "run"], seconds=60, what="the end of all of them")
        house.notes.unlink()

        house.goes_to_sleep(after=1)
        send("at-the-last-moment")
        (number,) = queue_many(world, 1)
        until(house.noted, seconds=60, what="its end")

        house.goes_to_sleep(after=2)
        house.kill()
        supervisor.kill()
    execute_run.send(tenant.schema, number=number)
    with scripted_model(note_script()) as model, house.supervised():
        until(lambda: _succeeded(tenant, number), seconds=60, what="the run")
    assert house.noted() == ["at-the-last-moment"], "once"
    assert len(model.journal) == CALLS, "nothing was asked twice"


def _succeeded(tenant: TestTenant, number: int) -> bool:
    """Whether the run has; the scheduler's part is done here: a message may have gone to a worker that was dead."""
    with tenant_scope(tenant.schema):
        wake_runs()
        return bool(Run.objects.get(number=number).state == RunState.SUCCEEDED)


def _shown_as_asleep(browser: Browser) -> None:
    told = browser.get(f"{BOARD}.json").json()
    (worker,) = [row for row in told["workers"] if row["name"] == NAME]
    (queue,) = [row for row in told["queues"] if row["name"] == "agents"]
    assert (worker["state"], worker["taking"], worker["doing"]) == ("asleep", [], [])
    assert (queue["state"], queue["workers"]) == ("asleep", [])
    page = browser.get(f"{BOARD}/").content.decode()
    assert "asleep" in page.split('aria-label="Queues"')[0]
    assert "lost" not in page.split("<tbody")[1].split("</tbody")[0]
