"""CI as a step of a run: the project's command on exactly one commit, in the sandbox, kept as a row."""

from dataclasses import replace
from typing import Any

from gpu_workers.actions.runs import StepResult
from gpu_workers.ci import CIStatus
from gpu_workers.ci_runs import keep_ci, project_ci
from gpu_workers.models import CIRun
from gpu_workers.models.run import Phase
from gpu_workers.runs.context import RunContext
from gpu_workers.sandbox import SandboxUnavailable
from gpu_workers.sandboxes import command_limits
from guildhall.kernel.errors import Unavailable

SHOWN = 3_000
MOST_TESTS = 60


def ci_key(round_: int) -> str:
    """The step in which CI judges what a round of the run's own work came to."""
    return f"ci.{round_}"


def ci_step(ctx: RunContext, key: str, phase: Phase, sha: str, purpose: str) -> dict[str, Any]:
    """Run CI on `sha`: `{"status", "passed", "failed", "log", "tests"}` with the end of the log and the tests that it named.

    Each test is `{"name", "status", "message"}`, the failed ones first, at most `MOST_TESTS`. Raises `Unavailable`.
    """

    def do(_: object) -> StepResult:
        try:
            with ctx.live() as heard:
                outcome = project_ci(ctx.repository, sha, ctx.sandbox, str(ctx.run.number), ctx.cancel, heard)
        except SandboxUnavailable as error:
            raise Unavailable(f"The sandbox cannot be used: {error}") from error
        ctx.check()
        outcome = replace(outcome, log=ctx.watch.masked(outcome.log, "output"))
        row = keep_ci(actor=ctx.actor, repository=ctx.repository, sha=sha, purpose=purpose, outcome=outcome)
        whole = len(outcome.log.encode()) <= command_limits().live
        ctx.log(_verdict(row, whole=whole), "ok" if row.green else "bad")
        response = {"status": row.status, "passed": row.passed, "failed": row.failed, "log": row.log[-SHOWN:]}
        response["tests"] = _told(row.tests)
        return StepResult(response=response, ok=row.green)

    request = {"sha": sha, "command": ctx.repository.ci_command}
    return ctx.journal.step(key, kind="ci", phase=phase, title=f"CI on {sha[:8]}", request=request, do=do)


def _verdict(row: CIRun, *, whole: bool) -> str:
    """What CI came to, once its output has been heard, as far as it is shown; with the end of what was not."""
    line = f"CI on {row.sha[:8]}: {row.status}, {row.passed} passed, {row.failed} failed."
    return line if whole and row.status in (CIStatus.PASSED, CIStatus.FAILED) else f"{line}\n{row.log[-SHOWN:]}"


def _told(tests: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Tests of a report as a step keeps them."""
    failed_first = sorted(tests, key=lambda test: test["status"] not in ("failed", "error"))
    return [
        {"name": test["name"], "status": test["status"], "message": str(test["message"])[:300]}
        for test in failed_first[:MOST_TESTS]
    ]
