"""Closing the pull request of a change that nobody wants any more. Nothing is deleted: its branch stays, and what was said."""

from datetime import timedelta

from governance.selectors.holds import is_held
from gpu_workers.actions.forges import note_pull_request
from gpu_workers.actions.pull_requests import (
    ask_to_close_pull_request,
    record_closed_pull_request,
    record_left_pull_request,
)
from gpu_workers.errands.kinds import Kind, forge_for
from gpu_workers.forge_events import PullRequestClosed, PullRequestCloseRequested, PullRequestLeft
from gpu_workers.forges import NotYet
from gpu_workers.forges.choosing import pull_request_of
from gpu_workers.forges.putting_up import LOOK_AGAIN_S, told_there
from gpu_workers.models import ChangeRequest, Errand
from gpu_workers.models.change import ChangeState
from gpu_workers.selectors import repository_named
from guildhall.evidence.selectors import recent
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection

OURS = "guildhall/"
"""Start of the branches that the platform makes; a pull request from any other one is somebody's own."""
CLOSING = [PullRequestCloseRequested.kind, PullRequestClosed.kind, PullRequestLeft.kind]
"""What the trail says of a closing; the last of them tells where it stands."""


def carry_out(actor: Actor, errand: Errand, fence: int) -> None:
    """Close what is open there from the change's branch. Closed already, merged there or reopened here: nothing happens.

    That it is asked for is in the trail before GitHub hears of it, once, and whoever goes on for a worker that died there
    writes down that it is closed.
    """
    change = ChangeRequest.objects.get(number=errand.number)
    branch, asked = _branch(change), _asked(change)
    if (change.state != ChangeState.CLOSED and asked is None) or not branch.startswith(OURS):
        return
    _refuse_held()

    def asking(number: int) -> None:
        if number != asked:
            ask_to_close_pull_request(actor=actor, change=change, number=number, fence=fence)
            release_connection()

    repository = repository_named(change.repository)
    forge = forge_for(errand, actor, repository, f"closing the pull request of change {change.number}")
    closed = [asked] if asked is not None and forge.withdrawn(asked) else []
    if change.state == ChangeState.CLOSED and (number := forge.withdraw(branch, asking)) is not None:
        closed.append(number)
    change.refresh_from_db()
    if closed and change.state == ChangeState.OPEN:
        # The task came back at this moment, and its run may have found the pull request open.
        release_connection()
        again = forge.propose(branch, change.title, told_there(change))
        note_pull_request(actor=actor, change=change, number=again.number, branch=branch, url=again.url)
    # Last: whoever goes on for a dead worker finds by it that something is left to be done.
    for number in closed:
        record_closed_pull_request(actor=actor, change=change, number=number, fence=fence)


def _asked(change: ChangeRequest) -> int | None:
    """The pull request that is to be closed by what the trail says last; None where that is over, or nobody asked."""
    last = recent(kinds=CLOSING, outcome="done", subject=change.ref, limit=1)
    return last[0]["event"].get("number") if last and last[0]["kind"] == PullRequestCloseRequested.kind else None


def _refuse_held() -> None:
    """Under a kill switch over everything nothing is done there, and it is looked at again."""
    if hold := is_held():
        raise NotYet(f"Nothing is carried out: {hold.sentence}", LOOK_AGAIN_S)


def give_up(actor: Actor, errand: Errand, fence: int, reason: str) -> None:
    change = ChangeRequest.objects.get(number=errand.number)
    record_left_pull_request(actor=actor, change=change, branch=_branch(change), fence=fence, reason=reason)


def _branch(change: ChangeRequest) -> str:
    known = pull_request_of(change)
    return known.branch if known else change.branch


KIND = Kind(carry_out, give_up, timedelta(days=1), "a day")
