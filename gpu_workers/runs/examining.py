"""A judge at work: it looks at a proposed commit with the tools of its role until it gives one verdict."""

from dataclasses import dataclass, replace
from typing import Any

from governance.selectors.policy import active_policy
from gpu_workers.actions.runs import Ending
from gpu_workers.loop import Closing, LoopResult, Outcome, ToolSpec, run_loop
from gpu_workers.models.run import Phase, RunState
from gpu_workers.prompts import prompt
from gpu_workers.repos import FileDiff, headline
from gpu_workers.runs.approving import RunApprover
from gpu_workers.runs.asking import question
from gpu_workers.runs.context import AGAIN, RunContext, Stopped
from gpu_workers.runs.environment import RunEnvironment
from gpu_workers.runs.model import PREPARE, Head, NotTrusted
from guildhall.kernel.fencing import fenced
from guildhall.kernel.unseen import seen

VERDICT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["approve", "reject"]},
        "feedback": {"type": "string", "minLength": 10, "maxLength": 1000},
    },
    "required": ["verdict", "feedback"],
    "additionalProperties": False,
}
VERDICT = Closing(ToolSpec("give_verdict", "End with your verdict on the change.", VERDICT_SCHEMA), strict=True)
TURNS = 12
"""Answers of a judge at most; the last one is the verdict."""
MOST_DIFF = 12_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge came to, and its words for it."""

    approves: bool
    words: str


def judges(ctx: RunContext) -> bool:
    """Whether the agent's model has a say: it is good enough, also while it is away, or it was when this run asked it."""
    return ctx.journal.finished(PREPARE) is not None or ctx.may_judge(ctx.agent.route)


def examine(ctx: RunContext, changed: list[FileDiff], checks: dict[str, Any]) -> Judgement | Ending:
    """The model's judgement of a change, or how the run ends without one. `checks` is what CI said."""
    head = ctx.model.keep_head()
    ctx.model.phase, ctx.model.judging = Phase.EXECUTOR, True
    try:
        result = _loop(ctx, head, changed, checks)
    except NotTrusted as weak:
        return Ending(RunState.FAILED, reason=f"{weak} A person has to judge.")
    return _judgement(ctx, result)


def _loop(ctx: RunContext, head: Head, changed: list[FileDiff], checks: dict[str, Any]) -> LoopResult:
    return run_loop(
        ctx.model,
        RunEnvironment(ctx),
        RunApprover(ctx),
        _opening(ctx, changed, checks),
        prefix="judge",
        limits=replace(head.limits(active_policy().document.rate_limits.repeats), turns=TURNS),
        stopped=ctx.stopped,
        closing=VERDICT,
    )


def _opening(ctx: RunContext, changed: list[FileDiff], checks: dict[str, Any]) -> list[dict[str, Any]]:
    brief, kind, version = ctx.brief, ctx.agent.kind, ctx.run.prompt_version
    about: dict[str, Any] = {
        "task": brief.title,
        "brief": brief.brief,
        "acceptance": list(brief.acceptance),
        "checks": checks,
        "files": [headline(file) for file in changed],
        "diff": _cut(
            "\n".join(f"--- {seen(file.path, '')}\n{file.text}" for file in changed), ctx.model.head.room // 3
        ),
    }
    if brief.again:
        about[AGAIN] = brief.again
    return [
        {"role": "system", "content": prompt(kind, version)},
        {"role": "user", "content": fenced("change", about)},
        {"role": "user", "content": prompt(f"{kind}_judge", version)},
    ]


def _cut(text: str, room: int) -> str:
    longest = min(room, MOST_DIFF)
    left_out = len(text) - longest
    return (
        text if left_out <= 0 else f"{text[:longest]}\n[… {left_out} more characters; the files are in the workspace]"
    )


def _judgement(ctx: RunContext, result: LoopResult) -> Judgement | Ending:
    if result.outcome is Outcome.STOPPED:
        raise Stopped(result.reason)
    call = result.call
    if result.outcome is Outcome.NEEDS_APPROVAL and call is not None:
        asked = question(ctx, result.key, call.name, call.arguments, result.reason)
        return Ending(RunState.WAITING, reason=result.reason, outcome={"question": asked})
    if result.outcome is Outcome.GOING_ROUND:
        ctx.watch.went_round("judge", f"{result.reason[:1].upper()}{result.reason[1:]}.")
        ctx.check_conduct()
    if result.outcome is not Outcome.FINISHED or call is None:
        return Ending(
            RunState.FAILED, reason=f"The model gave no usable verdict, {result.reason}; a person has to judge."
        )
    words = ctx.watch.masked(str(call.arguments["feedback"]), "output")
    return Judgement(call.arguments["verdict"] == "approve", words)
