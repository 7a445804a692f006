"""Carrying out an approved merge: exactly the approved commit, or, when the base moved, a rebase and a new question."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from governance.actions.outcomes import void_approvals
from governance.selectors import latest_approval
from governance.selectors.release import LOOK_AGAIN
from gpu_workers.actions.changes import APPROVED, REBASED, record_merge, record_rebase
from gpu_workers.carrying_out import CutOff, hold_on_change, watched
from gpu_workers.ci_answers import ci_of
from gpu_workers.folders import repository_folder
from gpu_workers.forges import Forge, NotYet, Published, Refused
from gpu_workers.forges.choosing import forge_of, pull_request_of
from gpu_workers.forges.vault import Opening
from gpu_workers.merge_ci import judged
from gpu_workers.merge_rules import (
    NotApproved,
    NotNow,
    Outgrown,
    kept_back,
    refuse_changed,
    refuse_held,
    refuse_outgrown,
    refuse_overtaken,
    refuse_stopped,
    waits,
)
from gpu_workers.models import ChangeRequest, CIRun, Repository
from gpu_workers.models.change import ChangeState
from gpu_workers.ranges import proposal_of
from gpu_workers.rebasing import rebased
from gpu_workers.repos import BaseMoved, GitError, head_of
from gpu_workers.runs.keeper import HoldWatch
from gpu_workers.runs.verdicts import not_green
from gpu_workers.selectors import change_of_task, repository_named
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import LimitExceeded, RateLimited, Unavailable
from guildhall.kernel.tenancy import release_connection
from workflows.actions import rebind_task
from workflows.actions.outcomes import ask_again
from workflows.models import Task

Reach = Callable[[Repository], Forge]
"""What gives a repository's forge; no database connection is held after it."""
AWAY_S = 60.0
SEND_BACK = "Reject it, and its author goes on from the branch as it is now."
COUNTS_NOW = "on this commit by the command that counts now"


class ForgeWaits(NotNow):
    """Its forge is away, or waits for something there; nobody here has to do anything."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One worker's attempt at a merge; `watch` ends git and CI of it with a kill switch."""

    actor: Actor
    change: ChangeRequest
    repository: Repository
    forge: Forge
    approval: int
    watch: HoldWatch


def merge_approved(
    *, actor: Actor, task: str, binding: dict[str, Any], approval: int, reach: Reach | None = None
) -> ChangeRequest | None:
    """Merge the commit that `binding` names. None when a new approval is asked for, or another commit was merged since.

    Safe to repeat after a crash at any point; whoever repeats it gives its own `reach`, which tells once that a token was
    opened. The story must not have been stopped when git begins; what is on the branch by then is written down all the same.
    Raises `NotApproved` when change, diff or CI are not what was approved, and
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
        raise kept_back(cut.hold) from cut
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
    if change.head_sha != sha and waits(change, sha) and _was_rebased(change):
        # A worker died between the rebase and telling the task.
        _put_before_people(actor, change)
        return None
    refuse_changed(change, binding)
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
    if waits(change, change.head_sha) and _was_void(change, approval):
        # A worker died between taking the approval back and asking anew.
        ask_again(actor=actor, task=_task_of(change))
        return False
    refuse_held(change)
    with watched(lambda: hold_on_change(change)) as watch:
        return _land(_Attempt(actor, change, repository, forge, approval, watch))


def _land(attempt: _Attempt) -> bool:
    actor, change = attempt.actor, attempt.change
    try:
        refuse_outgrown(change, attempt.repository, attempt.approval)
        _prove(attempt)
        # Looked at again: a story may have been stopped, a kill switch set or CI's command changed, while its forge was asked.
        refuse_stopped(change)
        published = _published(change)
        refuse_held(change)
        refuse_overtaken(change)
        release_connection()
        attempt.forge.merge(published)
    except Outgrown as reason:
        _ask_anew(actor, change, str(reason))
        return False
    except BaseMoved:
        _move_on(attempt)
        return False
    return True


def _prove(attempt: _Attempt) -> None:
    """Have CI's answer by the command that counts now, and let nothing on that is not green by it.

    What it was approved with may be the answer of an earlier command. Raises BaseMoved before CI runs in vain.
    """
    change, repository = attempt.change, attempt.repository
    ci = ci_of(change.repository, change.head_sha)
    if ci is not None and ci.green:
        return
    release_connection()
    if (head := attempt.forge.refresh()) != change.base_sha:
        raise BaseMoved(repository.default_branch, change.base_sha, head)
    if ci is None:
        ci = judged(attempt.actor, change, repository, change.head_sha, APPROVED, attempt.watch)
        # That took its time: what people and the policy say may be something else by now.
        refuse_outgrown(change, repository, attempt.approval)
    if not ci.green:
        raise Outgrown(f"{not_green(ci.status, ci.log, COUNTS_NOW)}. {SEND_BACK}")


def _published(change: ChangeRequest) -> Published:
    pull = pull_request_of(change)
    branch, number = (pull.branch, pull.number) if pull else (change.branch, 0)
    return Published(sha=change.head_sha, base_sha=change.base_sha, branch=branch, number=number)


def _move_on(attempt: _Attempt) -> None:
    """The base has moved: rebase, run CI there, and put the new commit before people; or say why that cannot be."""
    actor, change, repository = attempt.actor, attempt.change, attempt.repository
    refuse_held(change)
    repo = repository_folder(repository.name)
    onto = head_of(repo, repository.default_branch)
    try:
        head, branch = rebased(change, onto)
    except GitError as conflict:
        if not conflict.own:
            raise
        _ask_anew(actor, change, f"The base has moved. {conflict} {SEND_BACK}")
        return
    ci = judged(actor, change, repository, head, REBASED, attempt.watch)
    refuse_held(change)
    if not ci.green:
        _ask_anew(actor, change, f"The base has moved. {not_green(ci.status, ci.log, 'on top of it')}. {SEND_BACK}")
        return
    refuse_stopped(change)
    published = _published(change)
    release_connection()
    attempt.forge.publish(published.branch, head)
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


def _was_void(change: ChangeRequest, approval: int) -> bool:
    """Whether this approval was the last that was asked for, and was taken back."""
    last = latest_approval(f"task:{change.task}", kind="merge")
    return last is not None and last.number == approval and last.state == "void"


def _task_of(change: ChangeRequest) -> Task:
    return Task.objects.select_related("story").get(reference=change.task)
