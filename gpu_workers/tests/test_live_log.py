"""What commands and CI say stands in their run's log while they run, in few rows however much it is, and without secrets."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connections

from governance.selectors.policy import active_policy
from gpu_workers.folders import scratch_folder
from gpu_workers.loop import ToolCall
from gpu_workers.models import CIRun, RunLog
from gpu_workers.models.run import Phase
from gpu_workers.repos import head_of
from gpu_workers.runs import context, live_log
from gpu_workers.runs.ci import ci_step
from gpu_workers.runs.context import MOST_SAID, RunContext
from gpu_workers.runs.environment import RunEnvironment
from gpu_workers.runs.live_log import HELD, ROW, SLOWER, LiveLog
from gpu_workers.runs.model import Head
from gpu_workers.sandbox import SandboxLimits
from gpu_workers.tests.test_waiting_tools import at_work
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import signed_in
from tests.support.policies import put_policy
from tests.support.processes import until
from tests.support.tenants import TestTenant
from tests.support.world import World
from workflows.models import ProjectRepository

LIVE = SandboxLimits().live


@dataclass
class Kept:
    """A log whose clock stands until it is moved."""

    room: int = 1000
    looked: int = 0
    rows: list[str] = field(default_factory=list)
    now: float = 0.0

    def log(self, mask: dict[str, str] | None = None) -> LiveLog:
        def masked(text: str) -> str:
            self.looked += 1
            for word, mark in (mask or {}).items():
                text = text.replace(word, mark)
            return text

        return LiveLog(self.rows.extend, masked, lambda: self.room, lambda: self.now)


def test_pieces_are_put_together_by_size_and_by_a_short_while() -> None:
    kept = Kept()
    log = kept.log()
    log(b"first\n")
    assert kept.rows == ["first\n"], "what comes first is shown at once"
    for number in range(100):
        log(b"line %d\n" % number)
    assert len(kept.rows) == 1
    kept.now += live_log.GAP_S
    log(b"")
    assert kept.rows[1] == "".join(f"line {number}\n" for number in range(100)), "a silence is no reason to wait"
    said = "".join(f"{number:6} of many\n" for number in range(2000))
    log(said.encode())
    log.close()
    assert "".join(kept.rows[2:]) == said
    assert all(len(row) <= ROW and row.endswith("\n") for row in kept.rows)
    assert len(kept.rows) - 2 <= len(said) // (ROW - 20) + 1


def test_what_talks_for_hours_is_written_down_less_and_less_often() -> None:
    kept = Kept()
    log = kept.log()
    for _ in range(24 * 3600):
        log(b".\n")
        kept.now += 1.0
    log.close()
    assert SLOWER < len(kept.rows) < 15 * SLOWER
    assert "".join(kept.rows) == ".\n" * 24 * 3600


def test_past_the_room_of_a_run_one_row_says_how_much_was_left_out_and_how_it_ended() -> None:
    kept = Kept(room=3)
    log = kept.log()
    said = "".join(f"{number:6} of many\n" for number in range(5000))
    for start in range(0, len(said), 1000):
        log(said[start : start + 1000].encode())
        kept.now += 0.1
    log.close()
    *shown, end = kept.rows
    mark, _, tail = end.partition("\n")
    assert len(shown) == 3
    assert said.startswith("".join(shown))
    assert said.endswith(tail)
    assert mark == f"[… {len(said) - len(''.join(shown)) - len(tail)} characters left out …]"
    full = Kept(room=0)
    log = full.log()
    for _ in range(100):
        log(b"short\n")
    log.close()
    assert full.rows == ["short\n" * 100], "nothing was left out of it"
    assert full.looked == 2, "the policy is not asked for each piece of what is not written down"


def test_no_row_ends_within_what_a_pattern_of_the_policy_finds() -> None:
    kept = Kept()
    log = kept.log({"CARD-4111-1111": "[out]"})
    for piece in ("x" * (2 * ROW), "CARD-4", "111-1", "111", "y" * HELD, " end"):
        kept.now += 100.0
        log(piece.encode())
    log.close()
    assert "".join(kept.rows) == "x" * (2 * ROW) + "[out]" + "y" * HELD + " end"


@pytest.fixture
def ctx(tenant: TestTenant) -> Iterator[RunContext]:
    world = World.build(tenant, "TILL", {"a.py": b"answer = 6 * 7\n"}, "true")
    with tenant_scope(tenant.schema):
        made = at_work(world)
        made.agent.role = "developer"
        made.model.head = Head(window=8192, tools=True, schema=True, able=True)
        yield made


def told(ctx: RunContext, after: list[RunLog] | None = None) -> list[RunLog]:
    """Rows of the run's log after some that are known."""
    return list(ctx.run.log.order_by("pk"))[len(after or []) :]


def judged(ctx: RunContext, command: str) -> str:
    """How CI ends that is this command."""
    ctx.repository.ci_command = command
    key = f"ci.{ctx.run.steps.count()}"
    return str(ci_step(ctx, key, Phase.CI_MONITOR, head_of(ctx.repo, "main"), key)["status"])


def ran(ctx: RunContext, command: str) -> str:
    call = ToolCall("1", "run_command", {"command": command})
    return RunEnvironment(ctx).execute(f"act.{ctx.run.steps.count()}", call).text


@pytest.mark.integration
def test_no_command_and_no_ci_floods_the_database(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    endless, most = "yes 'and on it goes'", LIVE // (ROW - 20) + 3 * SLOWER
    assert "ended by the output limit" in ran(ctx, endless)
    command = told(ctx)
    assert len(command) <= most
    assert LIVE - ROW < sum(len(row.text) for row in command) < LIVE + ROW
    assert re.search(r"left out …\]\n$", command[-1].text), command[-1].text[-200:]

    assert judged(ctx, endless) == "error"
    ci = told(ctx, command)
    assert len(ci) <= most + 1
    assert "bytes left out" in ci[-2].text
    assert ci[-1].text.startswith("CI on ")
    assert "[ended by the output limit: 16384 KiB of output]" in ci[-1].text

    # A run that has written its rows writes one for each command, with how that ended.
    known = command + ci
    monkeypatch.setattr(context, "RUN_ROWS", len(known))
    assert judged(ctx, "seq 1 100000; exit 3") == "failed"
    (only, verdict) = told(ctx, known)
    assert re.fullmatch(r"\[… \d+ characters left out …\]", only.text.partition("\n")[0])
    assert "bytes left out" in only.text
    assert verdict.text.endswith("99999\n100000\n")
    ctx.log("x" * 1_000_000)
    said = told(ctx, [*known, only, verdict])
    assert (len(said), said[-1].text) == (
        MOST_SAID // ROW + 1,
        f"\n[… {1_000_000 - MOST_SAID} characters left out …]\n",
    )


@pytest.mark.integration
def test_ci_and_the_projects_own_tests_take_what_the_project_says(ctx: RunContext, settings: Any) -> None:
    """Other commands take what the installation allows, and nothing takes more when that is less by now."""
    ProjectRepository.objects.update(ci_limits={"disk_mib": 64, "cpu_seconds": 100})
    ctx.repository.ci_command = "ulimit -t; head -c 80M /dev/zero > large; sync; sleep 1; rm large"
    assert judged(ctx, ctx.repository.ci_command) == "error"
    assert "ended by the disk limit" in told(ctx)[-1].text
    call = ToolCall("1", "run_tests", {})
    assert "ended by the disk limit" in RunEnvironment(ctx).execute("act.tests", call).text
    assert ran(ctx, "ulimit -t; head -c 80M /dev/zero > large; rm large").startswith("[exit status 0]\n120")
    assert judged(ctx, "test $(ulimit -t) = 100") == "passed"
    settings.COMMAND_CPU_SECONDS = 50
    assert judged(ctx, "test $(ulimit -t) = 50") == "passed"


SPLIT = """
printf 'DB_PASSWORD=hunter2'; sleep 0.2; printf 'hunter2\\n'
printf -- '-----BEGIN RSA PRIVATE KEY-----\\nMIIEabc\\n'; sleep 0.2; printf 'MIIEdef\\n-----END RSA PRIVATE KEY-----\\n'
printf 'customer CUST-123'; sleep 0.2; printf '456 was there\\n'
"""


@pytest.mark.integration
def test_the_output_of_ci_holds_no_secret_wherever_it_comes_in_pieces(ctx: RunContext, tenant: TestTenant) -> None:
    pattern = """  patterns:\n    - {name: customer_number, places: [output], pattern: "CUST-[0-9]{6}"}\n"""
    put_policy(tenant, active_policy().text.replace("  patterns:\n", pattern, 1))
    assert judged(ctx, SPLIT) == "passed"
    shown = "".join(row.text for row in told(ctx))
    assert "customer [redacted] was there" in shown, shown
    for secret in ("hunter2", "MIIE", "CUST-"):
        assert secret not in shown


@pytest.mark.integration
def test_null_characters_in_what_commands_say_end_no_run(ctx: RunContext) -> None:
    """A row cannot hold one, and any program may say one: `find -print0`, or a file that is no text."""
    assert "a\ufffdb" in ran(ctx, r"printf 'a\0b\n'")
    assert judged(ctx, r"printf 'c\0d\n'") == "passed"
    assert [row.text for row in told(ctx)][:2] == ["a\ufffdb\n", "c\ufffdd\n"]
    assert CIRun.objects.get().log == "c\ufffdd\n"


WAITS = "echo begun; while [ ! -e go ]; do sleep 0.05; done; echo went on; exit 1"


@pytest.mark.integration
def test_people_see_what_ci_says_while_it_runs(ctx: RunContext, tenant: TestTenant, settings: Any) -> None:
    settings.COMMAND_SECONDS = 60
    seen: list[str] = []
    reader = tenant.member("developer")
    number, scratch = ctx.run.number, scratch_folder(str(ctx.run.number))

    def watch() -> None:
        """Look at the run's log as its page does, and only then let CI go on."""
        browser = signed_in(tenant, reader)

        def shown() -> str:
            text = browser.get(f"/runs/{number}/log/?after=0").content.decode()
            return text if "begun" in text else ""

        seen.append(until(shown, what="the output of CI on its page"))
        (folder,) = scratch.glob("ci-*")
        (folder / "go").touch()
        connections.close_all()

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = judged(ctx, WAITS)
    watcher.join()
    assert status == "failed"
    assert "went on" not in seen[0]
    assert "CI monitor" in seen[0] or "Planner" in seen[0]
    assert [row.text for row in told(ctx)][:2] == ["begun\n", "went on\n"]
    assert told(ctx)[-1].text.endswith("failed, 0 passed, 0 failed.")
