"""Reviewer and tester agents: they judge from CI, diff and evidence, and a good enough model may add an objection.

The checks decide what a model may not: it can never approve what they refuse.
"""

import json
from typing import Any

from gateway.routing import targets_for
from gateway.wire import Request
from governance.selectors.policy import active_policy
from gpu_workers.actions.runs import Ending
from gpu_workers.models import ChangeRequest
from gpu_workers.models.run import Phase, RunState
from gpu_workers.prompts import prompt
from gpu_workers.repos import FileDiff, diff, diff_hash
from gpu_workers.runs.ci import ci_step
from gpu_workers.runs.context import RunContext
from gpu_workers.selectors import change_of_task, ci_of
from guildhall.kernel.fencing import fenced

VERDICT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["approve", "reject"]},
        "feedback": {"type": "string", "minLength": 10, "maxLength": 600},
    },
    "required": ["verdict", "feedback"],
    "additionalProperties": False,
}
DIFF_SHOWN = 12_000
MAX_FILES = 60


def review(ctx: RunContext) -> Ending:
    """An architect's judgement of a change: what CI says of exactly this commit, and what the diff touches and says."""
    change, problem = _change(ctx)
    if change is None:
        return Ending(RunState.FAILED, reason=problem)
    ctx.enter(Phase.EXECUTOR)
    ci = ci_of(change.repository, change.head_sha)
    changed = diff(ctx.repo, change.base_sha, change.head_sha)
    found = [*_ci_problems(ci.status if ci else ""), *_diff_problems(ctx, change, changed)]
    for line in found or ["CI is green on this commit and the diff stays within policy."]:
        ctx.log(line, "bad" if found else "ok")
    return _verdict(ctx, change, found, changed, {"ci": ci.status if ci else "none"})


def test(ctx: RunContext) -> Ending:
    """A tester's judgement: CI run again, by somebody else than the author, on a fresh checkout of the commit."""
    change, problem = _change(ctx)
    if change is None:
        return Ending(RunState.FAILED, reason=problem)
    ctx.enter(Phase.CI_MONITOR)
    report = ci_step(ctx, "ci", Phase.CI_MONITOR, change.head_sha, f"qa:{ctx.run.number}")
    found = _ci_problems(str(report["status"]))
    if found:
        found.append(str(report["log"])[-1500:])
    changed = diff(ctx.repo, change.base_sha, change.head_sha)
    facts: dict[str, int | str] = {"status": str(report["status"])}
    facts |= {"passed": int(report["passed"]), "failed": int(report["failed"])}
    return _verdict(ctx, change, found, changed, facts)


def _change(ctx: RunContext) -> tuple[ChangeRequest | None, str]:
    change = change_of_task(ctx.brief.task)
    if change is None:
        return None, "The task has no change request to judge."
    ctx.enter(Phase.PLANNER, base_sha=change.base_sha, head_sha=change.head_sha, branch=change.branch)
    return change, ""


def _ci_problems(status: str) -> list[str]:
    if status == "passed":
        return []
    return [f"CI did not pass on this commit: {status}." if status else "CI never ran on this commit."]


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


def _verdict(
    ctx: RunContext, change: ChangeRequest, found: list[str], changed: list[FileDiff], report: dict[str, int | str]
) -> Ending:
    feedback: str | None = "\n".join(found)
    if not found and targets_for(ctx.agent.route)[0].may_judge:
        feedback = _objection(ctx, changed)
    if feedback is None:
        return Ending(RunState.FAILED, reason="The model gave no usable verdict; a person has to judge.")
    ctx.enter(Phase.FINALIZER)
    verdict = "rejected" if feedback else "approved"
    ctx.log(f"{verdict.title()}: {feedback or 'nothing stands against it'}", "bad" if feedback else "ok")
    return Ending(
        RunState.SUCCEEDED,
        outcome={"change": change.number, "verdict": verdict, "feedback": feedback},
        verdict=verdict,
        sha=change.head_sha,
        feedback=feedback,
        report=report,
    )


def _objection(ctx: RunContext, changed: list[FileDiff]) -> str | None:
    """What the model has against the change; "" when it approves, None when its answer is no verdict."""
    shown = "\n".join(f"--- {file.path}\n{file.text}" for file in changed)[:DIFF_SHOWN]
    about = {"task": ctx.brief.title, "acceptance": list(ctx.brief.acceptance), "diff": shown}
    request = Request(
        messages=[
            {"role": "system", "content": prompt(ctx.agent.kind, ctx.agent.prompt_version)},
            {"role": "user", "content": fenced("change", about)},
        ],
        schema=VERDICT_SCHEMA,
        schema_name="verdict",
        max_tokens=300,
    )
    ctx.model.phase = Phase.EXECUTOR
    completion = ctx.model.ask("verdict", request, "Judge the change")
    try:
        answer = json.loads(completion.text)
        return str(answer["feedback"]) if answer["verdict"] == "reject" else ""
    except (ValueError, KeyError, TypeError):
        return None
