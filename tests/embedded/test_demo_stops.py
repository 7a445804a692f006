"""A main job that stops short is no success: the command says so, `make up` ends with a status, the stack runs on."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from guildhall.demo.file import demo_file, write
from guildhall.demo.job import MainJob
from guildhall.embedded import up
from guildhall.embedded.running import Running
from tests.fakes.serving import Answering, Serving

pytestmark = pytest.mark.unit
PERSON = {"email": "one@fernhill.test", "password": "x", "name": "One"}
STORY = "http://fernhill.localhost/stories/SHOP-1/"


@pytest.fixture
def refusing() -> Iterator[int]:
    """The port of a front that takes nobody in."""

    class Handler(Answering):
        def take(self) -> None:
            self.send_error(503)

    with Serving(Handler) as server:
        yield server.port


def test_the_demo_command_fails_and_names_the_story(refusing: int, settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR, settings.PORT = tmp_path, refusing
    demo = {
        "host": "fernhill.localhost",
        "tenant_url": "http://fernhill.localhost",
        "public_url": "http://localhost",
        "story_url": STORY,
        "owner": PERSON,
        "people": {"product_owner": PERSON},
        "stories": {"SHOP": "SHOP-1", "TILL": "TILL-1"},
    }
    write(demo_file(), demo)
    with pytest.raises(CommandError, match=f"(?s)stopped short: 503.*{STORY}"):
        call_command("demo_up")
    with pytest.raises(CommandError, match="503"):
        call_command("demo_job", "--approve")


@pytest.fixture
def slow_to_ask() -> Iterator[int]:
    """The port of a front whose story is through its tests, and whose approval is asked for a moment later.

    It has every client slow down once.
    """
    asked: list[str] = []
    task = {"reference": "SHOP-1.1", "state": "pending_po_approval"}
    approval = {"number": 7, "subject": "task:SHOP-1.1"}

    class Handler(Answering):
        def answer(self) -> dict[str, object]:
            if "/approvals/" not in self.path:
                return {"access": "x", "state": "ready_to_review", "results": [task] if "/tasks/" in self.path else []}
            asked.append(self.path)
            return {"results": [approval] if len(asked) > 2 else []}

        def take(self) -> None:
            if not asked:
                asked.append("")
                return self.send(429, b"", {"Retry-After": "0"})
            return self.tell(200, self.answer())

    with Serving(Handler) as server:
        yield server.port


def test_a_story_through_its_tests_is_not_taken_for_merged_before_its_approval_is_asked_for(slow_to_ask: int) -> None:
    demo = {"host": "fernhill.localhost", "people": {"developer": PERSON, "product_owner": PERSON}}
    job = MainJob(demo, slow_to_ask, "SHOP-1", lambda line: None)
    approval = job.to_approval(10)
    assert approval is not None
    assert approval["number"] == 7


@pytest.mark.parametrize(("demo", "status"), [("failed", up.JOB_STOPPED), ("done", 0), ("off", 0)])
def test_a_detached_start_ends_with_the_demos_fate_and_leaves_the_stack_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], demo: str, status: int
) -> None:
    running = Running(tmp_path)
    assert running.acquire()
    log = tmp_path / "supervisor.log"
    log.write_text(up.STOPPED_SHORT if demo == "failed" else "ready")
    running.write("state", {"ready": True, "demo": demo})
    with log.open("rb") as shown, subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stack:
        assert up._shown_until_ready(running, stack, shown) == status
        assert stack.poll() is None
    running.release()
    assert ("demo_job" in capsys.readouterr().out) == (demo == "failed")
