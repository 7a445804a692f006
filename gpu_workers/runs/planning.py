"""A planner agent's run: propose a story's tasks by a constrained model call, retried once with what was wrong."""

from dataclasses import replace
from typing import Any

from gateway.calls import Completion
from gateway.chat import Request
from governance.selectors.policy import active_policy
from gpu_workers.actions.runs import Ending
from gpu_workers.loop import Permission
from gpu_workers.models.run import Phase, RunState
from gpu_workers.prompts import prompt
from gpu_workers.runs.approving import RunApprover
from gpu_workers.runs.brief import story_of
from gpu_workers.runs.context import RunContext
from gpu_workers.tools import changes_files
from workflows.models import Story
from workflows.planning import DerivationFailed, Planning, derive
from workflows.planning.drafts import RISKS, ROLES
from workflows.selectors.facts import standing_tasks

PLAN_TOKENS = 400
PROPOSED_ONLY = "proposed_only"
"""In a run's outcome: why its tasks are a proposal that people accept."""


def plan(ctx: RunContext) -> Ending:
    """Derive tasks. The proposal is kept either way; what is wrong with a failed one is shown to people."""
    story = story_of(ctx.run)
    answers: list[Completion] = []
    # The risk that it finds decides who has to agree: no other model stands in for one that is good enough for that.
    ctx.model.judging = ctx.may_judge(ctx.agent.route)

    def complete(messages: list[dict[str, Any]], schema: dict[str, Any]) -> str:
        request = Request(messages=messages, schema=schema, schema_name="tasks", max_tokens=PLAN_TOKENS)
        answers.append(ctx.model.ask(f"derive.{len(answers) + 1}", request, "Propose the story's tasks"))
        return answers[-1].text

    planning = Planning(
        ref=story.reference,
        title=story.title,
        brief=story.brief,
        acceptance=tuple(story.acceptance),
        size=story.size or "S",
        evidence=story.evidence,
        roles=tuple(role for role in ROLES if changes_files(role)),
        standing=standing_tasks(story),
    )
    ctx.enter(Phase.PLANNER)
    found = derive(complete, planning, prompt("planner", ctx.run.prompt_version))
    ctx.enter(Phase.FINALIZER)
    if isinstance(found, DerivationFailed):
        outcome = {"problems": list(found.problems), "raw": found.raw[:4000], "attempts": found.attempts}
        return Ending(RunState.ESCALATED, reason=found.problems[0], outcome=outcome, verdict="not_planned")
    trusted = answers[-1].may_judge
    drafts = [replace(draft, risk=_risk(story, draft.risk, trusted)).as_dict() for draft in found.drafts]
    outcome = {"drafts": drafts, "attempts": found.attempts}
    answer = RunApprover(ctx).may_accept_plan()
    if answer.permission is not Permission.ALLOW:
        # People accept the tasks, or change them first: this is the question, so that none is asked beside it.
        outcome[PROPOSED_ONLY] = answer.reason
        ctx.log(f"Proposed, for people to accept: {answer.reason}")
    return Ending(RunState.SUCCEEDED, outcome=outcome, verdict="planned")


def _risk(story: Story, proposed: str, trusted: bool) -> str:
    """The policy's risk for the story's labels; a model that is good enough to judge may find it higher, never lower."""
    policy = str(active_policy().document.risk_of(story.risk_labels or [], []))
    return max(proposed, policy, key=RISKS.index) if trusted else policy
