"""The gate before a plan is applied: what may be asked about it, what an answer covers, and what is looked at again then.

People are asked each time, whatever the agent's autonomy. What they read is a text that a step of the run keeps; that text is
applied, not one made anew from a workspace that may have changed.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q

from governance.actions.outcomes_held import hold_back
from governance.selectors import approved_for
from governance.selectors.approvals import latest_bound
from governance.selectors.release import LOOK_AGAIN, environment_name, release_controls
from governance.views import ApprovalView
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.actions.runs import StepResult
from gpu_workers.actions.steps import begin_applying, tell_applied
from gpu_workers.applying.appliers import APPLIERS
from gpu_workers.applying.migrations import KIND
from gpu_workers.applying.orders import NOTHING, Order, nothing
from gpu_workers.applying.outcomes import Outcome, begun_with
from gpu_workers.applying.plans import MOST_TEXT, Applicable, Garbled, Kept, kept_in
from gpu_workers.ci_answers import ci_of
from gpu_workers.forges import NotYet
from gpu_workers.forges.vault import Opening
from gpu_workers.models import ChangeRequest, RunStep
from gpu_workers.models.change import ChangeState, fingerprint_of
from gpu_workers.models.run import Phase
from gpu_workers.plans.migrations import is_migration
from gpu_workers.repos import head_of
from gpu_workers.repos.diffs import changed_paths, plain_name
from gpu_workers.repos.git import is_ancestor
from gpu_workers.repos.reading import ls_tree, tree_id
from gpu_workers.runs.ci import ci_step
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.guarded import DEPLOYMENT
from gpu_workers.runs.masking import hiding
from gpu_workers.tools.contract import ToolResult
from guildhall.kernel.actor import system_actor
from guildhall.kernel.errors import Conflict, GuildhallError, NotFound
from guildhall.kernel.redaction import hidden_at, redact
from guildhall.kernel.tenancy import current_tenant, release_connection

WHY = "applying a plan changes what runs outside of the workspace: people allow each one, whatever the autonomy"
HIDDEN = "it holds what may not be shown, so that nobody could read what they allow"
BEGUN = "A worker ended while this was carried out, and it was not gone on with: people have to look at what it did."


class NotApplied(Conflict):
    """This is not to be applied, and no question either; the detail says why."""


def kept(ctx: RunContext, plan: Applicable, trees: tuple[str, str]) -> dict[str, Any]:
    """A plan as its step keeps it. `trees` are the workspace's before and after it was made."""
    commit = ctx.run.head_sha or ctx.run.base_sha
    return Kept(replace(plan, why_not=plan.why_not or _unfit(ctx, plan, commit, trees)), commit).as_data()


def _unfit(ctx: RunContext, plan: Applicable, commit: str, trees: tuple[str, str]) -> str:
    """Why a plan cannot be put before people, or ""."""
    if not ctx.run.repository or set(trees) != {tree_id(ctx.workspace.git_dir, commit)}:
        return f"it was not made from the files of the commit {commit[:12]} as they are"
    texts = [text for part in plan.parts for text in (part.name, part.text)]
    if sum(map(len, texts)) > MOST_TEXT:
        return f"it has more than {MOST_TEXT} characters, which nobody reads; plan less at once"
    hidden = hiding("output")
    both = (
        (part.name, hidden_at(text, hidden(redact(text)))) for part in plan.parts for text in (part.text, part.name)
    )
    return next((f"{HIDDEN}: {redact(name)}, {where}" for name, where in both if where), "")


def order_for(ctx: RunContext, tool: str, arguments: dict[str, Any], *, judge: bool = False) -> Order:
    """What a call would have applied. Raises `NotApplied`. With `judge`, CI is run on a commit that it never saw."""
    applier, step = APPLIERS[tool], str(arguments.get("plan", ""))
    made = RunStep.objects.filter(run=ctx.run, key=step, kind="tool", finished_at__isnull=False).first()
    try:
        found = kept_in(made.response) if made else None
    except Garbled as wrong:
        raise NotApplied(str(wrong)) from wrong
    if found is None or found.plan.kind != applier.kind:
        raise NotApplied(f"This run made no plan {step!r} that this could apply. Plan first.")
    if found.plan.why_not:
        raise NotApplied(f"This plan cannot be applied: {found.plan.why_not}.")
    place = applier.place(ctx.brief.project)
    if not place:
        raise NotApplied(f"{ctx.brief.project} names no place that this could be applied to.")
    _refuse_unproven(ctx, found.commit_sha, judge=judge)
    _refuse_undone(ctx, found)
    branch = environment_name(ctx.repository.name, ctx.repository.default_branch)
    return Order(ctx.brief.project, step, found.plan, found.commit_sha, branch, place, applier.login(ctx.brief.project))


def _refuse_unproven(ctx: RunContext, commit: str, *, judge: bool) -> None:
    """Only what was merged, and what CI is green on, goes out; the other checks of the branch were looked at by the merge."""
    branch, repository = ctx.repository.default_branch, ctx.repo
    release_connection()
    if not is_ancestor(repository, commit, head_of(repository, branch)):
        raise NotApplied(f"The commit {commit[:12]} is not on {branch}: what is applied has to be merged first.")
    ci = ci_of(ctx.repository.name, commit)
    if ci is None and judge:
        # The command may be another than when the run, or this step, began.
        ctx.repository.refresh_from_db(fields=["ci_command"])
        key = f"apply.ci.{fingerprint_of(ctx.repository.ci_command)[:12]}"
        ci_step(ctx, key, Phase.EXECUTOR, commit, f"run:{ctx.run.number}:apply")
        ci = ci_of(ctx.repository.name, commit)
    if ci is None or not ci.green:
        raise NotApplied(f"CI is not green on the commit {commit[:12]} that this was planned from.")


def _refuse_undone(ctx: RunContext, found: Kept) -> None:
    """What was merged and taken back since is not what the branch wants any more, though its commit is still there."""
    commit, name, branch = found.commit_sha, ctx.repository.name, ctx.repository.default_branch
    of_it = Q(merged_sha=commit) | Q(head_sha=commit) | Q(run=ctx.run)
    if change := ChangeRequest.objects.filter(of_it, repository=name, state=ChangeState.REVERTED).first():
        raise NotApplied(f"Change {change.number} was taken back since this was planned.")
    if found.plan.kind != KIND:
        return
    release_connection()
    moved = [one for one in changed_paths(ctx.repo, commit, head_of(ctx.repo, branch)) if is_migration(one)]
    if moved and (gone := {one.path for one in ls_tree(ctx.repo, commit)}.intersection(moved)):
        raise NotApplied(f"{plain_name(min(gone))[:200]} is not on {branch} any more as it was planned. Plan anew.")


def bound(ctx: RunContext, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a question about a call binds besides the call; nothing for a call that applies nothing. Raises `NotApplied`."""
    return dict(order_for(ctx, tool, arguments).facts()) if tool in APPLIERS else {}


def outgrown(ctx: RunContext, asked: ApprovalView, tool: str, arguments: dict[str, Any]) -> str:
    """Why people have to be asked again about a plan that they allowed, or ""."""
    try:
        order = order_for(ctx, tool, arguments)
    except NotApplied as refusal:
        return refusal.detail
    facts = order.facts()
    if other := [name for name in facts if asked.binding.get(name) != facts[name]]:
        return f"Not what was approved any more: {', '.join(other)}."
    yes = len({vote.voter for vote in asked.votes if vote.decision == "approve"})
    needed = release_controls(order.environment).approvers
    return f"{order.environment} needs {needed} people; {yes} approved it." if yes < needed else ""


def wait_for_release(ctx: RunContext, step: str) -> None:
    """Raise `NotYet` while the environment of what was approved at a step is frozen or locked; the approval says so."""
    given = _given(ctx, {"step": step})
    if given is None or given.state != "approved":
        return
    block = release_controls(str(given.binding.get("environment", ""))).block
    if block is not None:
        until = block.until or datetime.now(UTC) + LOOK_AGAIN
        hold_back(
            actor=system_actor("executor", current_tenant()),
            approval=given.number,
            reason=block.sentence,
            until=until,
        )
        raise NotYet(block.sentence, LOOK_AGAIN.total_seconds())


def carry_out(
    ctx: RunContext, call: dict[str, Any], tool: str, arguments: dict[str, Any], *, again: bool
) -> ToolResult:
    """Apply what people allowed at exactly this call (`call`: its step and its arguments' hash); else refuse, and say why."""
    lead = BEGUN if again else NOTHING
    try:
        order = order_for(ctx, tool, arguments)
        _refuse_unapproved(ctx, order, call)
    except NotApplied as refusal:
        return ToolResult(False, f"{lead} {refusal.detail}")
    about = begun_with(order.facts(), len(order.plan.parts), tool, ctx.journal.fence)
    begin_applying(actor=ctx.actor, run=ctx.run, fence=ctx.journal.fence, key=str(call["step"]), about=about)
    opening = Opening(ctx.actor, f"applying plan {order.step} of run {ctx.run.number}")
    release_connection()
    try:
        result = APPLIERS[tool].apply(order, opening, again=again, cancel=ctx.cancel)
    except GuildhallError as refusal:
        result = nothing(refusal.detail)
    return looked_at(result) if again else result


def looked_at(result: ToolResult) -> ToolResult:
    """What a worker found that went on with applying: where it did nothing itself, nobody knows what the one before it did."""
    if result.data.get("outcome") != Outcome.NOT_APPLIED:
        return result
    text = f"{BEGUN} {result.text.removeprefix(NOTHING).strip()}"
    return ToolResult(False, text, {**result.data, "outcome": Outcome.UNKNOWN})


def tell(ctx: RunContext, step: str, came: StepResult) -> None:
    """Write down what came of applying although the run was taken away meanwhile, unless it is another worker's to say."""
    with suppress(LeaseLost):
        tell_applied(actor=ctx.actor, run=ctx.run, fence=ctx.journal.fence, key=step, result=came)


def _refuse_unapproved(ctx: RunContext, order: Order, call: dict[str, Any]) -> None:
    """The approval's own row says whether enough people saw exactly this."""
    given = _given(ctx, call)
    if given is None:
        raise NotApplied("Nobody was asked about it.")
    try:
        approved_for(given.number, {**order.facts(), **call})
    except (Conflict, NotFound) as refusal:
        raise NotApplied(refusal.detail) from refusal
    wait_for_release(ctx, str(call["step"]))


def _given(ctx: RunContext, call: dict[str, Any]) -> ApprovalView | None:
    return latest_bound(ctx.run.ref, DEPLOYMENT, call)
