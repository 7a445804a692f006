"""What becomes of a change's pull request at its forge once nobody wants the change any more.

`fence` is that of the repository's lane: all raise `LeaseLost` where another worker is at it by now.
"""

from gpu_workers.actions.leases import lane_fenced
from gpu_workers.forge_events import PullRequestClosed, PullRequestCloseRequested, PullRequestLeft
from gpu_workers.models import ChangeRequest
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor


@governed("change.ask_to_close_pull_request", lock="change")
def ask_to_close_pull_request(*, actor: Actor, change: ChangeRequest, number: int, fence: int) -> ChangeRequest:
    """Keep in the trail that the change's pull request is to be closed there, before that is asked for."""
    lane_fenced(change.repository, fence)
    record(PullRequestCloseRequested(subject=change.ref, number=number), actor=actor)
    return change


@governed("change.close_pull_request", lock="change")
def record_closed_pull_request(*, actor: Actor, change: ChangeRequest, number: int, fence: int) -> ChangeRequest:
    """Write down that the change's pull request is closed there."""
    lane_fenced(change.repository, fence)
    record(PullRequestClosed(subject=change.ref, number=number), actor=actor)
    return change


@governed("change.leave_pull_request", lock="change")
def record_left_pull_request(
    *, actor: Actor, change: ChangeRequest, branch: str, fence: int, reason: str
) -> ChangeRequest:
    """Write down why the change's pull request may be open there still; people have to close it."""
    lane_fenced(change.repository, fence)
    record(PullRequestLeft(subject=change.ref, branch=branch, reason=reason[:500]), actor=actor, reason=reason[:500])
    return change
