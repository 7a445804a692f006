"""Reviewer and tester agents: they judge from CI, diff and evidence, and a good enough model looks for itself and decides.

The checks decide what a model may not: it can never approve what they refuse.
"""

from typing import Any

from governance.selectors.policy import active_policy
from gpu_workers.actions.runs import Ending
from gpu_workers.ci_answers import ci_of
from gpu_workers.loop import Permission
from gpu_workers.models import ChangeRequest
from gpu_workers.models.run import Phase, RunState
from gpu_workers.repos import FileDiff, diff, diff_hash
from gpu_workers.runs.approving import RunApprover
from gpu_workers.runs.asking import question
from gpu_workers.runs.ci import ci_step
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.examining import VERDICT, Judgement, examine, judges
from gpu_workers.selectors import change_of_task
from guildhall.kernel.tenancy import release_connection

MAX_FILES = 60
STEP = "verdict"
MOST_NAMED = 40
"""Tests that a line names at most."""


def review(ctx: RunContext) -> Ending:
    """An architect's judgement of a change: what CI says of exactly this commit, and what the diff touches and says.

    CI is run where the command that counts now has not been run on it.
    """
    change, problem = _change(ctx)
    if change is None:
        return Ending(RunState.FAILED, reason=problem)
    ctx.enter(Phase.EXECUTOR)
    ci = _answer(ctx, change)
    changed = _compared(ctx, change)
    found = [*_ci_problems(ci), *_diff_problems(ctx, change, changed)]
    for line in found or ["CI is green on this commit and the diff stays within policy."]:
        ctx.log(line, "bad" if found else "ok")
    return _verdict(ctx, change, found, changed, {"ci": ci})


def test(ctx: RunContext) -> Ending:
    """A tester's judgement: CI run again, by somebody else than the author, on a fresh checkout of the commit."""
    change, problem = _change(ctx)
    if change is None:
        return Ending(RunState.FAILED, reason=problem)
    ctx.enter(Phase.CI_MONITOR)
    report = ci_step(ctx, "ci", Phase.CI_MONITOR, change.head_sha, f"qa:{ctx.run.number}")
    found = _ci_problems(str(report["status"]))
    if found:
        found += [f"{test['name']} {test['status']}: {test['message'][:200]}" for test in _red(report)]
        found.append(str(report["log"])[-1500:])
    changed = _compared(ctx, change)
    facts: dict[str, int | str] = {"status": str(report["status"]), "summary": _summary(report)}
    facts |= {"passed": int(report["passed"]), "failed": int(report["failed"])}
    return _verdict(ctx, change, found, changed, facts)


def _answer(ctx: RunContext, change: ChangeRequest) -> str:
    """How CI ended on the change's commit, by the command that counts now."""
    if known := ci_of(change.repository, change.head_sha):
        return known.status
    report = ci_step(ctx, "ci", Phase.EXECUTOR, change.head_sha, f"review:{ctx.run.number}")
    return str(report["status"])


def _change(ctx: RunContext) -> tuple[ChangeRequest | None, str]:
    change = change_of_task(ctx.brief.task)
    if change is None:
        return None, "The task has no change request to judge."
    ctx.enter(Phase.PLANNER, base_sha=change.base_sha, head_sha=change.head_sha, branch=change.branch)
    return change, ""


def _compared(ctx: RunContext, change: ChangeRequest) -> list[FileDiff]:
    repo = ctx.repo
    release_connection()
    return diff(repo, change.base_sha, change.head_sha)


def _ci_problems(status: str) -> list[str]:
    return [] if status == "passed" else [f"CI did not pass on this commit: {status}."]


def _diff_problems(ctx: RunContext, change: ChangeRequest, changed: list[FileDiff]) -> list[str]:
    found = []
    if not changed:
        found.append("The change is empty.")
    if len(changed) > MAX_FILES:
        found.append(f"The change touches {len(changed)} files; more than {MAX_FILES} cannot be reviewed as one.")
    if diff_hash(ctx.repo, change.base_sha, change.head_sha) != change.diff_hash:
        found.append("The diff is not the one that was proposed.")
    policy = active_policy().document
    found += [f"{file.path} must not be changed by agents." for file in changed if not policy.may_touch(file.path)]
    found += [f"{file.path} contains what looks like a secret." for file in changed if file.reveals]
    return found


def _red(report: dict[str, Any]) -> list[dict[str, str]]:
    return [test for test in report.get("tests", []) if test["status"] in ("failed", "error")]


def _summary(report: dict[str, Any]) -> str:
    """A parsed report in a line: how CI ended, and which tests it named."""
    named = [f"{test['name']} {test['status']}" for test in report.get("tests", [])]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    listed = f": {', '.join(named[:MOST_NAMED])}{more}" if named else ""
    return f"CI {report['status']} on a fresh checkout{listed}"


def _verdict(
    ctx: RunContext, change: ChangeRequest, found: list[str], changed: list[FileDiff], report: dict[str, int | str]
) -> Ending:
    judgement = Judgement(not found, "\n".join(found))
    if not found and judges(ctx):
        examined = examine(ctx, changed, report)
        if isinstance(examined, Ending):
            return examined
        judgement = examined
    ctx.enter(Phase.FINALIZER)
    verdict = "approved" if judgement.approves else "rejected"
    if ending := _asked_first(ctx, change, verdict, judgement):
        return ending
    feedback = "" if judgement.approves else judgement.words
    said = judgement.words or "nothing stands against it"
    ctx.log(f"{verdict.title()}: {said}", "ok" if judgement.approves else "bad")
    return Ending(
        RunState.SUCCEEDED,
        outcome={"change": change.number, "verdict": verdict, "feedback": judgement.words, "report": report},
        verdict=verdict,
        sha=change.head_sha,
        feedback=feedback,
        report=report,
    )


def _asked_first(ctx: RunContext, change: ChangeRequest, verdict: str, judgement: Judgement) -> Ending | None:
    """How the run ends where its verdict does not count unasked: it waits, or a person who said no judges instead.

    What they allowed is done once the run has ended with it, and has its receipt after that.
    """
    tool, about = (
        VERDICT.tool.name,
        {"base_sha": change.base_sha, "head_sha": change.head_sha, "verdict": verdict, "feedback": judgement.words},
    )
    answer = RunApprover(ctx).may_judge(STEP, tool, about, lets_through=judgement.approves)
    if answer.permission is Permission.ASK:
        asked = question(ctx, STEP, tool, about, answer.reason)
        return Ending(RunState.WAITING, reason=answer.reason, outcome={"question": asked})
    if answer.permission is Permission.DENY:
        return Ending(RunState.ESCALATED, reason=answer.reason, outcome={"change": change.number})
    return None
