"""The supervisor with real servers below it: what dies comes back, and whatever ends it leaves nothing behind."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from guildhall.embedded.postgres import EmbeddedPostgres
from guildhall.embedded.process import EmbeddedError
from guildhall.embedded.running import Running
from guildhall.embedded.service import Service, in_order
from guildhall.embedded.supervisor import Supervisor

pytestmark = pytest.mark.integration

DEADLINE = 60.0
SERVERS = ("postgres", "redis")


def eventually(condition: Callable[[], Any]) -> Any:
    """The first true value of `condition`, asked again and again until a deadline."""
    deadline = time.monotonic() + DEADLINE
    pause = threading.Event()
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail("the condition did not come true in time")
        pause.wait(0.02)
    return value


class Stack:
    """A running `stack_for_tests`, seen from outside."""

    def __init__(self, folder: Path) -> None:
        self.running = Running(folder)
        command = [sys.executable, "-m", "tests.embedded.stack_for_tests", str(folder)]
        self.process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
        self.ready()

    def ready(self) -> dict[str, Any]:
        services: dict[str, Any] = eventually(
            lambda: (state := self.running.read("state")).get("ready") and state["services"]
        )
        return services

    def family(self) -> list[psutil.Process]:
        """Every process below the supervisor, with PostgreSQL's and the program's own children and the reaper."""
        family: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return family


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="guildhall-stack-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@pytest.fixture
def stack(folder: Path) -> Iterator[Stack]:
    stack = Stack(folder)
    family = stack.family()
    yield stack
    stack.process.kill()
    stack.process.wait()
    gone(family)


def gone(family: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(family, timeout=DEADLINE)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("name", ["postgres", "redis", "program"])
def test_a_killed_service_comes_back(stack: Stack, name: str) -> None:
    before = stack.ready()[name]["pid"]
    os.kill(before, signal.SIGKILL)

    def back() -> bool:
        state = stack.running.read("state")
        service = state["services"][name]
        return bool(state["ready"]) and service["restarts"] >= 1 and service["pid"] not in (None, before)

    eventually(back)
    assert not psutil.pid_exists(before)


def test_a_killed_service_takes_its_own_children_along(stack: Stack) -> None:
    program = psutil.Process(stack.ready()["program"]["pid"])
    children = eventually(lambda: program.children(recursive=True))
    program.kill()
    gone(children)


def test_the_rest_goes_on_when_one_service_dies(stack: Stack) -> None:
    before = stack.ready()
    os.kill(before["program"]["pid"], signal.SIGKILL)
    eventually(lambda: stack.running.read("state")["services"]["program"]["restarts"])
    after = stack.ready()
    assert [after[name]["pid"] for name in ("postgres", "redis")] == [
        before[name]["pid"] for name in ("postgres", "redis")
    ]


def test_sigterm_leaves_no_orphan_and_ends_well(stack: Stack) -> None:
    family = stack.family()
    stack.process.send_signal(signal.SIGTERM)
    assert stack.process.wait(DEADLINE) == 0
    gone(family)
    assert stack.running.holder() is None


def test_kill_9_of_the_supervisor_leaves_no_orphan(stack: Stack) -> None:
    family = stack.family()
    assert len(family) > 5  # servers, their workers, the program, its child, the reaper
    stack.process.kill()
    stack.process.wait()
    gone(family)


def test_a_second_one_is_refused_and_harms_nothing(stack: Stack, folder: Path) -> None:
    before = stack.ready()
    command = [sys.executable, "-m", "tests.embedded.stack_for_tests", str(folder)]
    assert subprocess.run(command, cwd=Path(__file__).parents[2], check=False, timeout=DEADLINE).returncode == 1
    assert stack.running.holder() == stack.process.pid
    assert stack.ready() == before


def test_data_is_kept_over_a_restart(folder: Path) -> None:
    server = EmbeddedPostgres(folder, durable=False)
    for value in ("first", "second"):
        server.start()
        try:
            with server.superuser() as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
                connection.execute("INSERT INTO kept VALUES (%s)", [value])
                rows = connection.execute("SELECT value FROM kept").fetchall()
        finally:
            server.stop()
    assert rows == [("first",), ("second",)]


def test_a_step_that_fails_ends_the_start_with_its_log(tmp_path: Path) -> None:
    step = [sys.executable, "-c", "raise SystemExit('the migration is broken')"]
    supervisor = Supervisor([Service("step", step, log=tmp_path / "step.log", once=True)])
    with pytest.raises(EmbeddedError, match="the migration is broken"):
        supervisor.run(threading.Event())


def test_order_follows_what_depends_on_what() -> None:
    def service(name: str, *depends: str) -> Service:
        return Service(name, ["true"], log=Path(os.devnull), depends=depends)

    levels = in_order([service("front", "web"), service("web", "database"), service("database"), service("cache")])
    assert [[row.name for row in level] for level in levels] == [["database", "cache"], ["web"], ["front"]]
    with pytest.raises(ValueError, match="a, b"):
        in_order([service("a", "b"), service("b", "a")])
