"""Taking a merged change back: asked for by a person, carried out by the platform, written down once it is done."""

from governance.selectors.holds import is_held
from gpu_workers.actions.leases import lane_fenced
from gpu_workers.events import ChangeReverted, ChangeRevertFailed, ChangeRevertRequested, ChangeRevertUnknown
from gpu_workers.models import ChangeRequest, ForgeConnection
from gpu_workers.models.change import ChangeState
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict


@governed("change.request_revert", lock="change")
def request_revert(*, actor: Actor, change: ChangeRequest, reason: str) -> ChangeRequest:
    """Ask for a commit on the default branch that undoes a merged change. Raises `Conflict` in other states.

    So it does while everything is on hold. An agent's or a strategy's kill switch does not keep people from undoing what
    was done there. Asking twice is one revert: whoever carries it out looks whether it is there already.
    """
    _refuse_unmerged(change)
    if hold := is_held():
        raise Conflict(f"Nothing is carried out now: {hold.sentence}")
    # Whoever disconnects the repository waits for this, and sees it then.
    ForgeConnection.objects.select_for_update(of=("self",)).filter(repository__name=change.repository).first()
    event = ChangeRevertRequested(subject=change.ref, task=change.task, merged_sha=change.merged_sha)
    record(event, actor=actor, reason=reason)
    return change


@governed("change.revert", lock="change")
def record_revert(*, actor: Actor, change: ChangeRequest, reverted_sha: str) -> ChangeRequest:
    """Write down that a commit undoing the change is on the default branch."""
    _refuse_unmerged(change)
    change.revert()
    change.reverted_sha = reverted_sha
    change.save(update_fields=["state", "reverted_sha"])
    event = ChangeReverted(subject=change.ref, task=change.task, reverted_sha=reverted_sha, author=change.author)
    record(event, actor=actor)
    return change


@governed("change.fail_revert", lock="change")
def record_failed_revert(*, actor: Actor, change: ChangeRequest, fence: int, reason: str) -> ChangeRequest:
    """Write down why the change cannot be taken back by a commit of ours; people have to.

    `fence` is that of the repository's lane. Raises `LeaseLost` where another worker is at it by now.
    """
    _refuse_unmerged(change)
    lane_fenced(change.repository, fence)
    record(ChangeRevertFailed(subject=change.ref, task=change.task, reason=reason[:500]), actor=actor, reason=reason)
    return change


@governed("change.doubt_revert", lock="change")
def record_unknown_revert(*, actor: Actor, change: ChangeRequest, fence: int, reason: str) -> ChangeRequest:
    """Write down that nobody could look whether the change was taken back; `fence` is as for a failed one."""
    _refuse_unmerged(change)
    lane_fenced(change.repository, fence)
    record(ChangeRevertUnknown(subject=change.ref, task=change.task, reason=reason[:500]), actor=actor, reason=reason)
    return change


def _refuse_unmerged(change: ChangeRequest) -> None:
    if change.state != ChangeState.MERGED:
        raise Conflict(f"change {change.number} is {change.state}; only a merged one can be reverted.")
