"""What is asked of a forge about a change's pull requests, before it hears of it, and what came of that.

`fence` is that of the repository's lane: whoever lost that to another worker gets `LeaseLost`.
"""

from gpu_workers.actions.leases import lane_fenced
from gpu_workers.forge_events import (
    PullRequestClosed,
    PullRequestCloseRequested,
    PullRequestLeft,
    PullRequestOpenRequested,
)
from gpu_workers.models import ChangeRequest
from gpu_workers.pull_trail import asked_to_open
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict


@governed("change.ask_to_open_pull_request", lock="change")
def ask_to_open_pull_request(*, actor: Actor, change: ChangeRequest, branch: str) -> ChangeRequest:
    """Keep in the trail that a pull request from `branch` is to be opened there, before that is asked for.

    Raises `Conflict` where that was kept before, and nobody knows yet what came of it.
    """
    asked = asked_to_open(change)
    if asked is not None and asked.branch == branch:
        raise Conflict(f"A pull request of change {change.number} from {branch} was asked for already.")
    record(PullRequestOpenRequested(subject=change.ref, branch=branch), actor=actor)
    return change


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
