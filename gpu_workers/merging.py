"""Carrying out an approved merge: exactly the approved commit, or, when the base moved, a rebase and a new question."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from governance.actions.outcomes import void_approvals
from governance.selectors import active_policy, approved_for, latest_approval
from governance.selectors.release import LOOK_AGAIN, Controls, environment_name, release_controls
from governance.views import ApprovalView, HoldView
from gpu_workers.actions.changes import APPROVED, REBASED, record_merge, record_rebase
from gpu_workers.carrying_out import hold_on_change
from gpu_workers.ceilings import passes_ceiling
from gpu_workers.ci_answers import ci_of
from gpu_workers.folders import repository_folder
from gpu_workers.forges import Forge, NotYet, Published, Refused
from gpu_workers.forges.choosing import forge_of, pull_request_of
from gpu_workers.forges.vault import Opening
from gpu_workers.merge_ci import CutOff, judged
from gpu_workers.models import ChangeRequest, CIRun, Repository
from gpu_workers.models.change import ChangeState
from gpu_workers.ranges import proposal_of
from gpu_workers.rebasing import rebased
from gpu_workers.repos import BaseMoved, GitError, diff_hash, head_of
from gpu_workers.runs.verdicts import not_green
from gpu_workers.selectors import change_of_task, repository_named
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, LimitExceeded, NotFound, RateLimited, Unavailable
from guildhall.kernel.tenancy import release_connection
from workflows.actions import rebind_task
from workflows.actions.outcomes import ask_again
from workflows.machines import EXECUTING
from workflows.models import Task

logger = logging.getLogger(__name__)
Reach = Callable[[Repository], Forge]
"""What gives a repository's forge; no database connection is held after it."""
AWAY_S = 60.0
SEND_BACK = "Reject it, and its author goes on from the branch as it is now."
COUNTS_NOW = "on this commit by the command that counts now"
OVERTAKEN = "The CI command was changed while this was carried out; it is tried again by the one that counts now."


class NotApproved(Conflict):
    """What would be merged is not what was approved."""


class NotNow(NotApproved):
    """It was approved and release controls keep it back; it is tried again by itself from `until` on."""

    def __init__(self, reason: str, until: datetime) -> None:
        super().__init__(reason)
        self.until = until


class ForgeWaits(NotNow):
    """Its forge is away, or waits for something there; nobody here has to do anything."""


class _Outgrown(Exception):
    """What was approved does not cover the merge any more; people have to see what does."""


def merge_approved(
    *, actor: Actor, task: str, binding: dict[str, Any], approval: int, reach: Reach | None = None
) -> ChangeRequest | None:
    """Merge the commit that `binding` names. None when a new approval is asked for, or another commit was merged since.

    Safe to repeat after a crash at any point; whoever repeats it gives its own `reach`, which tells once that a token was
    opened. The story must not have been stopped when git begins; what is on the
    branch by then is written down all the same. Raises `NotApproved` when change, diff or CI are not what was approved, and
    `NotNow` while a kill switch is on, the branch is frozen or locked, there is no money for CI, or its command is changed
    meanwhile, and `ForgeWaits`.
    """
    try:
        known = reach or (lambda repository: forge_of(repository, Opening(actor, f"merging {task}")))
        return _merge(actor=actor, task=task, binding=binding, approval=approval, reach=known)
    except NotYet as wait:
        raise ForgeWaits(wait.detail, datetime.now(UTC) + timedelta(seconds=wait.seconds)) from wait
    except (RateLimited, Unavailable) as away:
        seconds = float(away.extra.get("retry_after", AWAY_S))
        raise ForgeWaits(away.detail, datetime.now(UTC) + timedelta(seconds=seconds)) from away
    except CutOff as cut:
        raise _held(cut.hold) from cut
    except LimitExceeded as limit:
        raise NotNow(limit.detail, datetime.now(UTC) + LOOK_AGAIN) from limit
    except Refused as refusal:
        raise NotApproved(refusal.detail) from refusal


def _merge(*, actor: Actor, task: str, binding: dict[str, Any], approval: int, reach: Reach) -> ChangeRequest | None:
    change = change_of_task(task)
    sha = str(binding.get("commit_sha", ""))
    if change is None or change.state == ChangeState.REVERTED:
        raise NotApproved(f"There is no change of {task} to merge.")
    if change.state == ChangeState.MERGED:
        return change if change.merged_sha == sha else None
    if change.head_sha != sha and _waits(change, sha) and _was_rebased(change):
        # A worker died between the rebase and telling the task.
        _put_before_people(actor, change)
        return None
    _refuse_changed(change, binding)
    repository = repository_named(change.repository)
    # A commit that is there already was merged before a crash: all that is left is to write it down, stopped or dropped or not.
    published, forge = _published(change), reach(repository)
    if not forge.merged(published):
        if change.state == ChangeState.CLOSED:
            raise NotApproved(f"Nobody wants the change of {task} any more.")
        if not _carry_out(actor, change, repository, forge, approval):
            return None
    return record_merge(actor=actor, change=change, merged_sha=sha, approval=approval)


def _carry_out(actor: Actor, change: ChangeRequest, repository: Repository, forge: Forge, approval: int) -> bool:
    """Whether the commit is on the default branch now; False when people are asked again instead."""
    if _waits(change, change.head_sha) and _was_void(change, approval):
        # A worker died between taking the approval back and asking anew.
        ask_again(actor=actor, task=_task_of(change))
        return False
    _refuse_held(change)
    try:
        _refuse_outgrown(change, repository, approval)
        _prove(actor, change, repository, forge, approval)
        # Looked at again: a story may have been stopped, a kill switch set or CI's command changed, while its forge was asked.
        _refuse_stopped(change)
        published = _published(change)
        _refuse_held(change)
        _refuse_overtaken(change)
        release_connection()
        forge.merge(published)
    except _Outgrown as reason:
        _ask_anew(actor, change, str(reason))
        return False
    except BaseMoved:
        _move_on(actor, change, repository, forge)
        return False
    return True


def _refuse_outgrown(change: ChangeRequest, repository: Repository, approval: int) -> None:
    _refuse_release(change, repository, _refuse_other(change, approval))


def _prove(actor: Actor, change: ChangeRequest, repository: Repository, forge: Forge, approval: int) -> None:
    """Have CI's answer by the command that counts now, and let nothing on that is not green by it.

    What it was approved with may be the answer of an earlier command. Raises BaseMoved before CI runs in vain.
    """
    ci = ci_of(change.repository, change.head_sha)
    if ci is not None and ci.green:
        return
    release_connection()
    if (head := forge.refresh()) != change.base_sha:
        raise BaseMoved(repository.default_branch, change.base_sha, head)
    if ci is None:
        ci = judged(actor, change, repository, change.head_sha, APPROVED)
        # That took its time: what people and the policy say may be something else by now.
        _refuse_outgrown(change, repository, approval)
    if not ci.green:
        raise _Outgrown(f"{not_green(ci.status, ci.log, COUNTS_NOW)}. {SEND_BACK}")


def _refuse_overtaken(change: ChangeRequest) -> None:
    """Asked last, as of the repository's row at this moment: an answer by a command that was changed meanwhile counts no more."""
    ci = ci_of(change.repository, change.head_sha)
    if ci is None or not ci.green:
        raise NotNow(OVERTAKEN, datetime.now(UTC) + LOOK_AGAIN)


def _refuse_held(change: ChangeRequest) -> None:
    """It stays approved under a kill switch, says why, and goes on once that is lifted."""
    if hold := hold_on_change(change):
        raise _held(hold)


def _held(hold: HoldView) -> NotNow:
    return NotNow(f"{hold.sentence[:1].upper()}{hold.sentence[1:]}", datetime.now(UTC) + LOOK_AGAIN)


def _published(change: ChangeRequest) -> Published:
    pull = pull_request_of(change)
    branch, number = (pull.branch, pull.number) if pull else (change.branch, 0)
    return Published(sha=change.head_sha, base_sha=change.base_sha, branch=branch, number=number)


def _refuse_release(change: ChangeRequest, repository: Repository, given: ApprovalView) -> None:
    """Freezes, locks, required checks, approvers, the policy itself and the cost, as they are now."""
    controls = release_controls(environment_name(repository.name, repository.default_branch))
    if given.binding.get("environment") != controls.environment:
        raise _Outgrown(f"It was approved for {given.binding.get('environment')}, not for {controls.environment}.")
    if given.binding.get("policy_version") != active_policy().version:
        raise _Outgrown("The policy has changed since this was approved.")
    if passes_ceiling(change.task, given.binding.get("cost_ceiling_usd")):
        raise _Outgrown(f"It has cost more than the {given.binding.get('cost_ceiling_usd')} USD that were approved.")
    yes = len({vote.voter for vote in given.votes if vote.decision == "approve"})
    if yes < controls.approvers:
        raise _Outgrown(f"{controls.environment} needs {controls.approvers} people; {yes} approved it.")
    if controls.block is not None:
        raise NotNow(controls.block.sentence, controls.block.until or datetime.now(UTC) + LOOK_AGAIN)
    missing = _missing_checks(change, controls)
    if missing:
        raise NotApproved(f"Required checks are missing on this commit: {', '.join(missing)}.")


def _missing_checks(change: ChangeRequest, controls: Controls) -> list[str]:
    task = Task.objects.get(reference=change.task)
    # CI is asked for by itself, whatever the policy requires.
    passed = {"ci": True, "review": bool(task.reviewer), "tests": bool(task.tester)}
    return [check for check in controls.required if not passed[check]]


def _seen(change: ChangeRequest) -> dict[str, str]:
    return {"commit_sha": change.head_sha, "base_sha": change.base_sha, "diff_hash": change.diff_hash}


def _refuse_changed(change: ChangeRequest, binding: dict[str, Any]) -> None:
    changed = [name for name, value in _seen(change).items() if binding.get(name) != value]
    if changed:
        raise NotApproved(f"Not what was approved any more: {', '.join(changed)}.")


def _refuse_stopped(change: ChangeRequest) -> None:
    """A story that was stopped keeps its tasks where they are: only one whose work goes on waits for its merge."""
    if not _waits(change, change.head_sha):
        raise NotApproved(f"{change.task} does not wait for this merge any more.")


def _refuse_other(change: ChangeRequest, approval: int) -> ApprovalView:
    """The event says what was approved; the approval's own row says whether it still is."""
    try:
        given = approved_for(approval, _seen(change))
    except (Conflict, NotFound) as refusal:
        raise NotApproved(refusal.detail) from refusal
    _refuse_stopped(change)
    repo = repository_folder(change.repository)
    release_connection()
    if diff_hash(repo, change.base_sha, change.head_sha) != change.diff_hash:
        raise NotApproved("The diff in the repository is not the one that was approved.")
    return given


def _move_on(actor: Actor, change: ChangeRequest, repository: Repository, forge: Forge) -> None:
    """The base has moved: rebase, run CI there, and put the new commit before people; or say why that cannot be."""
    _refuse_held(change)
    repo = repository_folder(repository.name)
    onto = head_of(repo, repository.default_branch)
    try:
        head, branch = rebased(change, onto)
    except GitError as conflict:
        if not conflict.own:
            raise
        _ask_anew(actor, change, f"The base has moved. {conflict} {SEND_BACK}")
        return
    ci = judged(actor, change, repository, head, REBASED)
    _refuse_held(change)
    if not ci.green:
        _ask_anew(actor, change, f"The base has moved. {not_green(ci.status, ci.log, 'on top of it')}. {SEND_BACK}")
        return
    _refuse_stopped(change)
    published = _published(change)
    release_connection()
    forge.publish(published.branch, head)
    proposal = proposal_of(repo, branch, onto, head)
    _put_before_people(actor, record_rebase(actor=actor, change=change, proposal=proposal))


def _was_rebased(change: ChangeRequest) -> bool:
    """Whether the platform made the commit that the change is at, when a base had moved. No author's commit is one."""
    made = CIRun.objects.filter(repository=change.repository, sha=change.head_sha, purpose=REBASED)
    return made.exists()


def _put_before_people(actor: Actor, change: ChangeRequest) -> None:
    """The change is rebased: the task waits for an approval of that commit from now on, and no other counts."""
    reason = "The base has moved; the change was rebased and needs a new approval."
    void_approvals(actor=actor, subject=f"task:{change.task}", reason=reason)
    rebind_task(actor=actor, task=_task_of(change), commit_sha=change.head_sha)


def _ask_anew(actor: Actor, change: ChangeRequest, reason: str) -> None:
    """What was approved cannot be merged: people decide again, and know why."""
    void_approvals(actor=actor, subject=f"task:{change.task}", reason=reason[:300])
    ask_again(actor=actor, task=_task_of(change))


def _waits(change: ChangeRequest, sha: str) -> bool:
    """Whether the change's task waits for an approval of `sha`, in a story whose work goes on."""
    waits = Task.objects.filter(reference=change.task, state="pending_po_approval", commit_sha=sha)
    return waits.filter(story__state__in=EXECUTING).exists()


def _was_void(change: ChangeRequest, approval: int) -> bool:
    """Whether this approval was the last that was asked for, and was taken back."""
    last = latest_approval(f"task:{change.task}", kind="merge")
    return last is not None and last.number == approval and last.state == "void"


def _task_of(change: ChangeRequest) -> Task:
    return Task.objects.select_related("story").get(reference=change.task)
