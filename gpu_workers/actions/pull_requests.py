"""What became of a change's pull request at its forge once nobody wanted the change any more."""

from gpu_workers.forge_events import PullRequestClosed, PullRequestLeft
from gpu_workers.models import ChangeRequest
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor


@governed("change.close_pull_request", lock="change")
def record_closed_pull_request(*, actor: Actor, change: ChangeRequest, number: int) -> ChangeRequest:
    """Write down that the change's pull request is closed there."""
    record(PullRequestClosed(subject=change.ref, number=number), actor=actor)
    return change


@governed("change.leave_pull_request", lock="change")
def record_left_pull_request(*, actor: Actor, change: ChangeRequest, branch: str, reason: str) -> ChangeRequest:
    """Write down why the change's pull request may be open there still; people have to close it."""
    record(PullRequestLeft(subject=change.ref, branch=branch, reason=reason[:500]), actor=actor, reason=reason[:500])
    return change
