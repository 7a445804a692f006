"""What an approved merge has to be by everything that is said when it is carried out: approval, task, policy, CI, holds."""

from datetime import UTC, datetime
from typing import Any

from governance.selectors import active_policy, approved_for
from governance.selectors.release import LOOK_AGAIN, Controls, environment_name, release_controls
from governance.views import ApprovalView, HoldView
from gpu_workers.carrying_out import hold_on_change
from gpu_workers.ceilings import passes_ceiling
from gpu_workers.ci_answers import ci_of
from gpu_workers.folders import repository_folder
from gpu_workers.models import ChangeRequest, Repository
from gpu_workers.repos import diff_hash
from guildhall.kernel.errors import Conflict, NotFound
from guildhall.kernel.tenancy import release_connection
from workflows.machines import EXECUTING
from workflows.models import Task

OVERTAKEN = "The CI command was changed while this was carried out; it is tried again by the one that counts now."


class NotApproved(Conflict):
    """What would be merged is not what was approved."""


class NotNow(NotApproved):
    """It was approved and release controls keep it back; it is tried again by itself from `until` on."""

    def __init__(self, reason: str, until: datetime) -> None:
        super().__init__(reason)
        self.until = until


class Outgrown(Exception):
    """What was approved does not cover the merge any more; people have to see what does."""


def refuse_outgrown(change: ChangeRequest, repository: Repository, approval: int) -> None:
    """Raises `Outgrown`, `NotNow` and `NotApproved` where this approval does not let the change on its branch now."""
    _refuse_release(change, repository, _refuse_other(change, approval))


def refuse_overtaken(change: ChangeRequest) -> None:
    """Asked last, as of the repository's row at this moment: an answer by a command that was changed meanwhile counts no more."""
    ci = ci_of(change.repository, change.head_sha)
    if ci is None or not ci.green:
        raise NotNow(OVERTAKEN, datetime.now(UTC) + LOOK_AGAIN)


def refuse_held(change: ChangeRequest) -> None:
    """It stays approved under a kill switch, says why, and goes on once that is lifted."""
    if hold := hold_on_change(change):
        raise kept_back(hold)


def kept_back(hold: HoldView) -> NotNow:
    """What is said of a merge that the kill switch `hold` keeps from its branch."""
    return NotNow(f"{hold.sentence[:1].upper()}{hold.sentence[1:]}", datetime.now(UTC) + LOOK_AGAIN)


def _refuse_release(change: ChangeRequest, repository: Repository, given: ApprovalView) -> None:
    """Freezes, locks, required checks, approvers, the policy itself and the cost, as they are now."""
    controls = release_controls(environment_name(repository.name, repository.default_branch))
    if given.binding.get("environment") != controls.environment:
        raise Outgrown(f"It was approved for {given.binding.get('environment')}, not for {controls.environment}.")
    if given.binding.get("policy_version") != active_policy().version:
        raise Outgrown("The policy has changed since this was approved.")
    if passes_ceiling(change.task, given.binding.get("cost_ceiling_usd")):
        raise Outgrown(f"It has cost more than the {given.binding.get('cost_ceiling_usd')} USD that were approved.")
    yes = len({vote.voter for vote in given.votes if vote.decision == "approve"})
    if yes < controls.approvers:
        raise Outgrown(f"{controls.environment} needs {controls.approvers} people; {yes} approved it.")
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


def refuse_changed(change: ChangeRequest, binding: dict[str, Any]) -> None:
    """Raises `NotApproved` where the change is not the one that the approval's `binding` names."""
    changed = [name for name, value in _seen(change).items() if binding.get(name) != value]
    if changed:
        raise NotApproved(f"Not what was approved any more: {', '.join(changed)}.")


def refuse_stopped(change: ChangeRequest) -> None:
    """A story that was stopped keeps its tasks where they are: only one whose work goes on waits for its merge."""
    if not waits(change, change.head_sha):
        raise NotApproved(f"{change.task} does not wait for this merge any more.")


def _refuse_other(change: ChangeRequest, approval: int) -> ApprovalView:
    """The event says what was approved; the approval's own row says whether it still is."""
    try:
        given = approved_for(approval, _seen(change))
    except (Conflict, NotFound) as refusal:
        raise NotApproved(refusal.detail) from refusal
    refuse_stopped(change)
    repo = repository_folder(change.repository)
    release_connection()
    if diff_hash(repo, change.base_sha, change.head_sha) != change.diff_hash:
        raise NotApproved("The diff in the repository is not the one that was approved.")
    return given


def waits(change: ChangeRequest, sha: str) -> bool:
    """Whether the change's task waits for an approval of `sha`, in a story whose work goes on."""
    tasks = Task.objects.filter(reference=change.task, state="pending_po_approval", commit_sha=sha)
    return tasks.filter(story__state__in=EXECUTING).exists()
