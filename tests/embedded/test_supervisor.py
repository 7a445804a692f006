"""The supervisor with real servers below it: what dies comes back, and whatever ends it leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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

DEADLINE = 180.0
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
        self.folder = folder
        self.running = Running(folder)
        command = [sys.executable, "-m", "tests.embedded.stack_for_tests", str(folder)]
        self.process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
        self.ready()

    def ready(self) -> dict[str, Any]:
        services: dict[str, Any] = eventually(
            lambda: (state := self.running.read("state")).get("ready") and state["services"]
        )
        return services

    def told(self, name: str) -> dict[str, Any]:
        """What `program_for_tests`, run as `name`, has found."""
        file = self.folder / f"{name}.json"
        found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def kill(self, name: str) -> dict[str, Any]:
        """Kill a service, and wait until it is back."""
        before = self.ready()[name]["pid"]
        os.kill(before, signal.SIGKILL)

        def back() -> Any:
            state = self.running.read("state")
            return state["ready"] and state["services"][name]["pid"] not in (None, before) and state["services"]

        services: dict[str, Any] = eventually(back)
        return services

    def family(self) -> list[psutil.Process]:
        """Every process below the supervisor, with PostgreSQL's and the program's own children and the reaper."""
        family: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return family


@contextmanager
def a_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="guildhall-stack-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@contextmanager
def a_stack() -> Iterator[Stack]:
    with a_folder() as folder:
        stack = Stack(folder)
        family = stack.family()
        yield stack
        stack.process.kill()
        stack.process.wait()
        gone(family)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """One that every test leaves as it found it: running, with all in it ready or on its way back."""
    with a_stack() as stack:
        yield stack


@pytest.fixture
def mortal() -> Iterator[Stack]:
    """One of the test's own, to be ended."""
    with a_stack() as stack:
        yield stack


def gone(family: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(family, timeout=DEADLINE)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("name", ["postgres", "redis", "program", "preload", "forked"])
def test_a_killed_service_comes_back_and_the_rest_goes_on(stack: Stack, name: str) -> None:
    before = stack.ready()
    after = stack.kill(name)
    assert not psutil.pid_exists(before[name]["pid"])
    others = before.keys() - {name, "step"}
    assert {name: after[name]["pid"] for name in others} == {name: before[name]["pid"] for name in others}


def test_a_killed_service_takes_its_own_children_along(stack: Stack) -> None:
    program = psutil.Process(stack.ready()["program"]["pid"])
    children = eventually(lambda: program.children(recursive=True))
    stack.kill("program")
    gone(children)


def test_a_forked_service_is_the_supervisors_own_child_and_is_told_its_own_environment_alone(
    stack: Stack,
) -> None:
    services = stack.ready()
    forked = psutil.Process(services["forked"]["pid"])
    told = eventually(lambda: (found := stack.told("forked")).get("pid") == forked.pid and found)
    assert (told["group"], told["parent"]) == (forked.pid, stack.process.pid)
    assert told["environment"] == {"DATABASE_ADMIN_URL": "its own"}
    assert forked.cmdline() == psutil.Process(services["preload"]["pid"]).cmdline()  # it is a fork indeed


def test_nothing_but_the_supervisor_can_have_services_forked(stack: Stack) -> None:
    stack.ready()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.connect(str(stack.folder / "preload.sock"))
        answer = b""
        with suppress(ConnectionError):
            stranger.send(json.dumps({"death_signal": int(signal.SIGTERM)}).encode())
            answer = stranger.recv(64)
    assert answer == b""


def test_without_the_preloaded_process_a_service_is_started_all_the_same(tmp_path: Path) -> None:
    stop, nobody = threading.Event(), tmp_path / "nobody.sock"
    step = Service("step", [sys.executable, "-m", "this"], log=tmp_path / "step.log", once=True, preloaded=nobody)
    Supervisor([step]).run(stop, stop.set)
    assert "Zen of Python" in (tmp_path / "step.log").read_text()


def test_sigterm_leaves_no_orphan_and_ends_well(mortal: Stack) -> None:
    family = mortal.family()
    mortal.process.send_signal(signal.SIGTERM)
    assert mortal.process.wait(DEADLINE) == 0
    gone(family)
    assert mortal.running.holder() is None


def test_kill_9_of_the_supervisor_leaves_no_orphan(mortal: Stack) -> None:
    family = mortal.family()
    assert len(family) > 5  # servers, their workers, the program, its child, the reaper
    mortal.process.kill()
    mortal.process.wait()
    gone(family)


def test_a_second_one_is_refused_and_harms_nothing(stack: Stack) -> None:
    before = stack.ready()
    command = [sys.executable, "-m", "tests.embedded.stack_for_tests", str(stack.folder)]
    assert subprocess.run(command, cwd=Path(__file__).parents[2], check=False, timeout=DEADLINE).returncode == 1
    assert stack.running.holder() == stack.process.pid
    assert stack.ready() == before


def test_data_is_kept_over_a_restart() -> None:
    with a_folder() as folder:
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
