"""CI as a step of a run: the project's command on exactly one commit, in the sandbox, kept as a row."""

from dataclasses import replace
from typing import Any

from gpu_workers.actions.changes import CIReport, record_ci
from gpu_workers.actions.runs import StepResult
from gpu_workers.ci import CIOutcome, CIStatus, run_ci
from gpu_workers.folders import scratch_folder
from gpu_workers.models import CIRun
from gpu_workers.models.run import Phase
from gpu_workers.runs.context import RunContext
from gpu_workers.sandbox import SandboxUnavailable
from gpu_workers.sandboxes import ci_limits
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.tenancy import release_connection

LOG_KEPT = 20_000
SHOWN = 3_000
MOST_TESTS = 60


def ci_key(round_: int) -> str:
    """The step in which CI judges what a round of the run's own work came to."""
    return f"ci.{round_}"


def ci_step(ctx: RunContext, key: str, phase: Phase, sha: str, purpose: str) -> dict[str, Any]:
    """Run CI on `sha`: `{"status", "passed", "failed", "log", "tests"}` with the end of the log and the tests that it named.

    Each test is `{"name", "status", "message"}`, the failed ones first, at most `MOST_TESTS`. Raises `Unavailable`.
    """

    command = ctx.repository.ci_command

    def do(_: object) -> StepResult:
        limits = ci_limits(ctx.repository.name)
        release_connection()
        try:
            with ctx.live() as heard:
                outcome = run_ci(
                    ctx.repo,
                    sha,
                    command,
                    ctx.sandbox,
                    scratch_folder(str(ctx.run.number)),
                    heard,
                    limits=limits,
                    cancel=ctx.cancel,
                )
        except SandboxUnavailable as error:
            raise Unavailable(f"The sandbox cannot be used: {error}") from error
        ctx.check()
        outcome = replace(outcome, log=ctx.watch.masked(outcome.log, "output"))
        report = report_of(outcome)
        row = record_ci(
            actor=ctx.actor, repository=ctx.repository, sha=sha, purpose=purpose, command=command, report=report
        )
        ctx.log(_verdict(row, whole=len(outcome.log.encode()) <= limits.live), "ok" if row.green else "bad")
        response = {"status": row.status, "passed": row.passed, "failed": row.failed, "log": row.log[-SHOWN:]}
        response["tests"] = _told(row.tests)
        return StepResult(response=response, ok=row.green)

    request = {"sha": sha, "command": command}
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


def report_of(outcome: CIOutcome) -> CIReport:
    failed = outcome.counts.get("failed", 0) + outcome.counts.get("error", 0)
    return CIReport(
        status=str(outcome.status),
        exit_code=outcome.exit_code,
        log=outcome.log[-LOG_KEPT:],
        tests=[
            {"name": t.name, "suite": t.suite, "status": str(t.status), "message": t.message} for t in outcome.tests
        ],
        passed=outcome.counts.get("passed", 0),
        failed=failed,
        duration_ms=int(outcome.duration_s * 1000),
    )
