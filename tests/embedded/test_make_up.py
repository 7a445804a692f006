"""The commands themselves: `make up`, a second one, `seed_demo`, `demo_job --approve`, `make down`, again, and Ctrl-C.

A scripted server stands where the model would be, told to the stack as anybody tells it one: by LLM_BASE_URL.
"""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from guildhall.demo.client import ApiClient
from guildhall.embedded.running import Running
from guildhall.embedded.users import service_root
from tenants.roles import SCOPES
from tests.fakes.openai_server import OpenAIServer, Rule
from tests.story.scripts import bugfix, deliberating, planning
from tests.support.ports import quiet_port
from tests.support.processes import ROOT, until
from tests.support.services import DATABASE_LOGINS, UNLIMITED

pytestmark = pytest.mark.e2e

MINE = {*DATABASE_LOGINS, *UNLIMITED, "REDIS_URL", "SECRET_KEY", "GUILDHALL_VAR", "DJANGO_SETTINGS_MODULE", "MAKEFLAGS"}
"""What this test run has set for itself: whoever types `make up` has none of it."""
ROLES = ["admin", "product_owner", "architect", "developer", "qa", "viewer", "client"]
NAMED = {"public_url", "tenant_url", "owner", "people", "api_key", "story_url", "approval_url"}
FACTS = ("within 30 days of delivery", "free with the label", "within 5 working days")
SECONDS = 300.0


def competent() -> list[Rule]:
    """A model that writes the FAQ's entry by the tool for it, and can do the second story as well."""
    entry = {
        "heading": "How do returns work?",
        "sentences": [
            "You can return any unused item within 30 days of delivery.",
            "Returns are free with the label in the parcel.",
            "We refund you within 5 working days of receiving the item.",
        ],
    }
    writing = {"tool_calls": [{"name": "write_grounded", "arguments": entry}]}
    wanted = {"contains": ["Carry the task out now.", "docs/faq.md"]}
    return [*planning("Answer the question"), *deliberating(), {"when": wanted, "reply": writing}, *bugfix()]


@dataclass(frozen=True, slots=True)
class Hall:
    """A stack of these tests' own, as somebody on this machine has it who types commands in the checkout."""

    var: Path
    port: int
    environment: dict[str, str]

    @property
    def running(self) -> Running:
        return Running(self.var)

    @property
    def demo(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.var / "demo.json").read_text())
        return found

    def run(self, *command: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=seconds
        )

    def make(self, *goals: str) -> subprocess.CompletedProcess[str]:
        return self.run("make", "--no-print-directory", *goals)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "manage.py", *arguments)

    def processes(self) -> list[psutil.Process]:
        """The supervisor, everything below it, and whatever else was told of this `var`."""
        pid = self.running.holder()
        found = {process.pid: process for process in _told_of(self.var)}
        if pid is not None:
            supervisor = psutil.Process(pid)
            found |= {process.pid: process for process in (supervisor, *supervisor.children(recursive=True))}
        return list(found.values())

    def sign_in(self, person: dict[str, str], host: str) -> ApiClient:
        """Signs in with nothing but address and password. Raises `Refused`."""
        return ApiClient(self.port, host, person["email"], person["password"])


def _told_of(var: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("GUILDHALL_VAR") == str(var) and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _owner_is_let_in(hall: Hall, owner: dict[str, str]) -> bool:
    """At the console, by its form."""
    head = {"Host": f"localhost:{hall.port}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{hall.port}", headers=head) as browser:
        browser.get("/sign-in/")
        form = {
            "email": owner["email"],
            "password": owner["password"],
            "csrfmiddlewaretoken": browser.cookies["gh_csrf"],
        }
        answer = browser.post("/sign-in/", data=form)
        return (answer.status_code, answer.headers.get("Location")) == (302, "/admin/")


def none_left(hall: Hall, family: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(family, timeout=30)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert list(_told_of(hall.var)) == []
    assert hall.running.holder() is None
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{hall.port}/health")


@pytest.fixture(scope="module")
def hall() -> Iterator[Hall]:
    """Started detached, for all tests of this module in their order; the last ones stop it."""
    folder = Path(tempfile.mkdtemp(prefix="guildhall-hall-"))
    folder.chmod(0o711)
    with OpenAIServer(competent()) as model:
        given = {name: value for name, value in os.environ.items() if name not in MINE}
        told = {"LLM_BASE_URL": model.url, "LLM_MODEL": "scripted", "LLM_ABILITIES": "full", "LLM_LOCAL": "true"}
        port = quiet_port()
        own = {"GUILDHALL_VAR": str(folder / "var"), "PORT": str(port)}
        hall = Hall(folder / "var", port, {**given, **told, **own})
        try:
            started = hall.make("up", "DETACH=1")
            assert started.returncode == 0, started.stdout + started.stderr
            yield hall
        finally:
            for process in hall.processes():
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(hall.processes(), timeout=30)
            shutil.rmtree(service_root(hall.var), ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


def test_what_it_wrote_lets_everybody_in_and_leads_to_the_approval(hall: Hall) -> None:
    file = hall.var / "demo.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    demo = hall.demo
    assert demo.keys() >= NAMED
    assert list(demo["people"]) == ROLES
    clients = {role: hall.sign_in(person, demo["host"]) for role, person in demo["people"].items()}
    assert {role: client.get("me/")["roles"] for role, client in clients.items()} == {role: [role] for role in ROLES}
    assert _owner_is_let_in(hall, demo["owner"])
    keys = httpx.get(
        f"http://127.0.0.1:{hall.port}/api/v1/api-keys/",
        headers={"Host": f"{demo['host']}:{hall.port}", "Authorization": f"Bearer {demo['api_key']}"},
    )
    assert sorted(keys.raise_for_status().json()["results"][0]["scopes"]) == sorted(SCOPES)
    number = demo["approval_url"].rstrip("/").rpartition("/")[2]
    assert clients["product_owner"].get(f"approvals/{number}/")["state"] == "pending"
    assert demo["story_url"] == f"{demo['tenant_url']}/stories/{demo['stories']['SHOP']}/"


def test_a_second_one_says_so_and_leaves_the_first_alone(hall: Hall) -> None:
    before = hall.running.read("state")
    for goals in (["up"], ["up", "DETACH=1"]):
        again = hall.make(*goals)
        assert again.returncode != 0
        assert f"Already running: http://localhost:{hall.port}/" in again.stdout + again.stderr
        assert "make down" in again.stdout + again.stderr
    after = hall.running.read("state")
    assert (after["pid"], after["ready"], after["services"]) == (before["pid"], True, before["services"])


def test_another_tenant_is_made_without_its_job_and_the_job_command_takes_it_to_merged(hall: Hall) -> None:
    made = hall.manage("seed_demo", "second-hall", "--json")
    assert made.returncode == 0, made.stderr
    second = json.loads(made.stdout)
    assert second.keys() == hall.demo.keys()
    assert (second["public_url"], second["owner"]) == (hall.demo["public_url"], hall.demo["owner"])
    assert list(second["people"]) == ROLES
    owner = hall.sign_in(second["people"]["product_owner"], second["host"])
    story = f"stories/{second['stories']['SHOP']}/"
    assert owner.get(story)["state"] == "draft"
    assert owner.get("runs/")["results"] == []
    done = hall.manage("demo_job", "--tenant", "second-hall", "--approve")
    assert done.returncode == 0, done.stdout + done.stderr
    told = iter(done.stdout.splitlines())
    for passed in ("draft", "po_review", "planned", "ready_for_execution", "approval #", "merged ", "done"):
        assert any(passed in line for line in told), (passed, done.stdout)
    assert owner.get(story)["state"] == "done"
    repository = service_root(hall.var) / "work" / "repositories" / second["schema"] / "handbook.git"
    assert all(fact in hall.run("git", "-C", str(repository), "show", "main:docs/faq.md").stdout for fact in FACTS)
    assert " USD, " in done.stdout.splitlines()[-1]
    assert "0 reputation" not in done.stdout


def test_down_leaves_nothing_and_another_start_finds_all_as_it_was(hall: Hall) -> None:
    demo, family = hall.demo, hall.processes()
    assert len(family) > 10
    stopped = hall.make("down")
    assert stopped.returncode == 0, stopped.stderr
    none_left(hall, family)
    assert hall.make("status").returncode != 0
    log = hall.var / "again.log"
    with log.open("wb") as output:
        command = ["make", "--no-print-directory", "up"]
        terminal = subprocess.Popen(
            command, cwd=ROOT, env=hall.environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        until(lambda: hall.running.read("state").get("demo") == "done", seconds=SECONDS, what="the second start")
        assert hall.demo == demo
        assert demo["approval_url"] in log.read_text()
        family = hall.processes()
        os.killpg(terminal.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
        terminal.wait(60)
    finally:
        terminal.kill()
        terminal.wait()
    none_left(hall, family)
    assert "stopped; the data is kept" in log.read_text()
    assert "Traceback" not in log.read_text()
