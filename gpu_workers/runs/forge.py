"""A run whose repository is kept elsewhere: commits go there, its checks judge them, its people's remarks come back."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gpu_workers.actions.changes import CIReport, record_ci
from gpu_workers.actions.forges import note_pull_request
from gpu_workers.actions.runs import StepResult
from gpu_workers.forges import CheckStatus, Forge, NotYet
from gpu_workers.forges.choosing import connection_of, forge_of, pull_request_of
from gpu_workers.forges.vault import Opening
from gpu_workers.models import ChangeRequest, RunStep
from gpu_workers.models.run import Phase
from gpu_workers.runs.context import Forbidden, RunContext

LOOK_AGAIN_S = 60.0
PATIENCE = timedelta(hours=1)
LOG_KEPT = 20_000
SHOWN = 3_000
REMARKS = "remarks"


def fresh_head(ctx: RunContext) -> str:
    """The commit that the default branch is on now, wherever it is kept."""
    return _forge(ctx, "fetching").refresh()


def checks_step(ctx: RunContext, round_: int, sha: str) -> dict[str, Any] | None:
    """Push `sha` and read what the forge's CI says of it: as `ci_step` answers. None for a built-in repository.

    Raises `NotYet` while checks run: the run rests, and a webhook or a minute brings it back.
    """
    if connection_of(ctx.repository.name) is None:
        return None
    key = f"checks.{round_}"

    def do(_: object) -> StepResult:
        forge = _forge(ctx, "checks")
        forge.publish(ctx.run.branch, sha)
        found = forge.checks(sha)
        if found.status in (CheckStatus.NONE, CheckStatus.PENDING):
            _wait(ctx, key, sha)
        log = ctx.watch.masked(found.log, "output")
        status = "passed" if found.status is CheckStatus.PASSED else "failed"
        report = CIReport(status, None, log[-LOG_KEPT:], [], found.passed, found.failed, 0)
        purpose = f"forge:{ctx.run.number}:{round_}"
        row = record_ci(actor=ctx.actor, repository=ctx.repository, sha=sha, purpose=purpose, report=report)
        ctx.log(row.log[-SHOWN:] or f"{row.passed} checks passed", "ok" if row.green else "bad")
        response = {"status": row.status, "passed": row.passed, "failed": row.failed, "log": row.log[-SHOWN:]}
        return StepResult(response=response, ok=row.green)

    title = f"GitHub's checks on {sha[:8]}"
    return ctx.journal.step(key, kind="ci", phase=Phase.CI_MONITOR, title=title, request={"sha": sha}, do=do)


def _forge(ctx: RunContext, what: str) -> Forge:
    return forge_of(ctx.repository, Opening(ctx.actor, f"{what} in run {ctx.run.number}"))


def _wait(ctx: RunContext, key: str, sha: str) -> None:
    since = RunStep.objects.values_list("started_at", flat=True).get(run=ctx.run, key=key)
    if datetime.now(UTC) - since > PATIENCE:
        raise Forbidden(f"GitHub's checks on {sha[:12]} did not end within {PATIENCE}; a person has to look.")
    raise NotYet(f"GitHub's checks on {sha[:12]} have not all ended", LOOK_AGAIN_S)


def put_up(ctx: RunContext, number: int, head: str) -> None:
    """Have the pull request of change `number` at `head`; opened where there is none. Built-in repositories have none."""
    if connection_of(ctx.repository.name) is None:
        return

    def do(_: object) -> StepResult:
        change = ChangeRequest.objects.get(number=number)
        known = pull_request_of(change)
        branch = known.branch if known else ctx.run.branch
        forge = _forge(ctx, "a pull request")
        forge.publish(branch, head)
        text = f"{change.task}, change {change.number}. Merged from Guildhall once it is approved there."
        opened = forge.propose(branch, change.title, text)
        note_pull_request(actor=ctx.actor, change=change, number=opened.number, branch=branch, url=opened.url)
        return StepResult({"number": opened.number, "url": opened.url})

    ctx.journal.step(
        "pull_request", kind="change", phase=Phase.FINALIZER, title="Open a pull request", request={"head": head}, do=do
    )


def read_remarks(ctx: RunContext, change: ChangeRequest | None) -> None:
    """Keep what people wrote on the pull request of the change that the run goes on from."""
    known = pull_request_of(change) if change else None
    if known is None:
        return

    def do(_: object) -> StepResult:
        found = _forge(ctx, "remarks").remarks(known.number)
        shown = [{"author": r.author, "text": r.text, "path": r.path, "line": r.line} for r in found]
        return StepResult({"remarks": shown})

    title = f"Read what was written on pull request #{known.number}"
    ctx.journal.step(REMARKS, kind="note", phase=Phase.PLANNER, title=title, request={}, do=do)


def remarks_of(ctx: RunContext) -> list[dict[str, Any]]:
    """What was kept of it, newest last, within what a prompt can hold."""
    kept: list[dict[str, Any]] = (ctx.journal.finished(REMARKS) or {}).get("remarks", [])
    room = 4000
    shown: list[dict[str, Any]] = []
    for remark in reversed(kept):
        room -= len(remark["text"])
        if room < 0:
            break
        shown.insert(0, remark)
    return shown
