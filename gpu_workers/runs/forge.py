"""A run whose repository is kept elsewhere: commits go there, its checks judge them, its people's remarks come back."""

from datetime import UTC, datetime
from typing import Any

from gpu_workers.actions.changes import FORGE
from gpu_workers.actions.remarks import note_read
from gpu_workers.actions.runs import StepResult
from gpu_workers.forges import Forge, NotYet, putting_up
from gpu_workers.forges.choosing import connection_of, forge_of, pull_request_of
from gpu_workers.forges.putting_up import PATIENCE, Effort, judged_there
from gpu_workers.forges.vault import Opening, mark_of
from gpu_workers.models import ChangeRequest, RunStep
from gpu_workers.models.run import Phase
from gpu_workers.runs.ci import ci_key
from gpu_workers.runs.context import Forbidden, RunContext
from gpu_workers.runs.journal import Attempt

SHOWN = 3_000
REMARKS = "remarks"
OPENED = "opened"
"""In what a step keeps until it ends: the `mark_of` the token whose opening for it is in the trail."""


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

    def do(attempt: Attempt) -> StepResult:
        effort = _effort(ctx, "checks", attempt)
        # Of a run that a version before began, nobody wrote down what it passed: then the answer counts for no command.
        passed = str(ctx.journal.begun_with(ci_key(round_)).get("command", ""))
        try:
            row = judged_there(effort, ctx.run.branch, sha, f"{FORGE}{ctx.run.number}:{round_}", passed)
        except NotYet:
            _refuse_overdue(ctx, key, sha)
            raise
        ctx.log(row.log[-SHOWN:] or f"{row.passed} checks passed", "ok" if row.green else "bad")
        response = {"status": row.status, "passed": row.passed, "failed": row.failed, "log": row.log[-SHOWN:]}
        return StepResult(response=response, ok=row.green)

    title = f"GitHub's checks on {sha[:8]}"
    return ctx.journal.step(key, kind="checks", phase=Phase.CI_MONITOR, title=title, request={"sha": sha}, do=do)


def _forge(ctx: RunContext, what: str, noted: str = "") -> Forge:
    return forge_of(ctx.repository, Opening(ctx.actor, f"{what} in run {ctx.run.number}", noted=noted))


def _effort(ctx: RunContext, what: str, attempt: Attempt) -> Effort:
    """Looking again after a rest is the same use of the token: one row of the trail tells of all tries at a step.

    What is kept with the step is the mark of the sealed token, which another token does not have.
    """
    noted = str((attempt.kept or {}).get(OPENED, ""))
    connection = connection_of(ctx.repository.name)
    mark = mark_of(connection.token) if connection else ""
    forge = _forge(ctx, what, noted)
    if mark != noted:
        attempt.keep({OPENED: mark})
    return Effort(ctx.actor, ctx.repository, forge, ctx.check, masked=lambda log: ctx.watch.masked(log, "output"))


def _refuse_overdue(ctx: RunContext, key: str, sha: str) -> None:
    since = RunStep.objects.values_list("started_at", flat=True).get(run=ctx.run, key=key)
    if datetime.now(UTC) - since > PATIENCE:
        raise Forbidden(f"GitHub's checks on {sha[:12]} did not end within {PATIENCE}; a person has to look.")


def put_up(ctx: RunContext, number: int, head: str) -> None:
    """Have the pull request of change `number` at `head`; opened where there is none. Built-in repositories have none."""
    if connection_of(ctx.repository.name) is None:
        return

    def do(attempt: Attempt) -> StepResult:
        change = ChangeRequest.objects.get(number=number)
        opened = putting_up.put_up(_effort(ctx, "a pull request", attempt), change, ctx.run.branch, head)
        return StepResult({"number": opened.number, "url": opened.url})

    ctx.journal.step(
        "pull_request", kind="change", phase=Phase.FINALIZER, title="Open a pull request", request={"head": head}, do=do
    )


def read_remarks(ctx: RunContext, change: ChangeRequest | None) -> None:
    """Keep what people and reviewing agents wrote on the pull request, or on the lines, of the change that the run goes on
    from."""
    if change is None:
        return
    # One that was disconnected since has no pull request here any more.
    known = pull_request_of(change) if connection_of(ctx.repository.name) else None
    if known is None and not change.remarks.exists():
        return
    number = known.number if known else change.number

    def do(_: object) -> StepResult:
        if known is None:
            # Before they are read: what is mended afterwards would be told as it was not.
            note_read(actor=ctx.actor, change=change, run=ctx.run.number)
        found = _forge(ctx, "remarks").remarks(number)
        shown = [{"author": r.author, "text": r.text, "path": r.path, "line": r.line} for r in found]
        return StepResult({"remarks": shown})

    title = f"Read what was written on pull request #{number}" if known else f"Read the remarks on change {number}"
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
