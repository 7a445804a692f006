"""Having the pull request of a change as the change is: found where it is open, closed where nobody wants it any more.

Nothing is deleted: its branch stays, and what was said there.
"""

from datetime import timedelta

from governance.selectors.holds import is_held
from gpu_workers.actions.pull_requests import record_closed_pull_request, record_left_pull_request
from gpu_workers.errands.kinds import Kind, forge_for
from gpu_workers.errands.withdrawing import withdrawn
from gpu_workers.forges import Forge, NotYet
from gpu_workers.forges.opening import branch_there, noted, open_there
from gpu_workers.forges.putting_up import LOOK_AGAIN_S
from gpu_workers.models import ChangeRequest, Errand
from gpu_workers.models.change import ChangeState
from gpu_workers.pull_trail import asked_to_close, asked_to_open
from gpu_workers.selectors import repository_named
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection
from workflows.selectors.planned import database_now

OURS = "guildhall/"
"""Start of the branches that the platform makes; a pull request from any other one is somebody's own."""
UNDER_WAY = timedelta(minutes=3)
"""For so long after it was asked for last one may be opened still: whoever asks gives up each call after half a minute."""
MOMENTS = "Somebody who asked GitHub for it moments ago may still be waiting for the answer."


def carry_out(actor: Actor, errand: Errand, fence: int) -> None:
    """Keep what GitHub was asked to open by somebody who ended before the answer came; then close what nobody wants.

    That is what is open there from the change's branch. Closed already, merged there or reopened here: nothing happens. That
    it is asked for is in the trail before GitHub hears of it, once, and whoever goes on for a worker that died there writes down
    that it is closed.
    """
    change = ChangeRequest.objects.get(number=errand.number)
    branch = _branch(change)
    unwanted, asked = change.state == ChangeState.CLOSED, asked_to_close(change) is not None
    if not (unwanted or asked or _is_sought(change)) or not branch.startswith(OURS):
        return
    if unwanted or asked:
        _refuse_held()
    what = "closing" if unwanted or asked else "looking for"
    repository = repository_named(change.repository)
    forge = forge_for(errand, actor, repository, f"{what} the pull request of change {change.number}")
    seconds = _find(actor, change, errand, forge, branch)
    closed = withdrawn(actor, change, forge, branch if unwanted else "", fence)
    change.refresh_from_db()
    if closed and change.state == ChangeState.OPEN:
        # The task came back at this moment, and its run may have found the pull request open.
        open_there(actor, change, forge, branch)
    # Last: whoever goes on for a dead worker finds by it that something is left to be done.
    for number in closed:
        record_closed_pull_request(actor=actor, change=change, number=number, fence=fence)
    if seconds:
        raise NotYet(MOMENTS, seconds)


def _is_sought(change: ChangeRequest) -> bool:
    """Whether GitHub was asked to open the pull request of a change, and nobody knows what came of it."""
    return change.state in (ChangeState.OPEN, ChangeState.CLOSED) and asked_to_open(change) is not None


def _find(actor: Actor, change: ChangeRequest, errand: Errand, forge: Forge, branch: str) -> float:
    """Keep what is open there and was asked for; after how many seconds to look again where there is none yet, 0 for never.

    The trail has the first time that it was asked for; whoever tried again did so until what the errand follows from.
    """
    asked = asked_to_open(change) if _is_sought(change) else None
    if asked is None:
        return 0
    release_connection()
    if found := forge.opened(branch):
        noted(actor, change, branch, found)
        return 0
    last = max(asked.at, errand.asked_at)
    return max((last + UNDER_WAY - database_now()).total_seconds(), 0)


def _refuse_held() -> None:
    """Under a kill switch over everything nothing is done there, and it is looked at again."""
    if hold := is_held():
        raise NotYet(f"Nothing is carried out: {hold.sentence}", LOOK_AGAIN_S)


def give_up(actor: Actor, errand: Errand, fence: int, reason: str) -> str:
    change = ChangeRequest.objects.get(number=errand.number)
    record_left_pull_request(actor=actor, change=change, branch=_branch(change), fence=fence, reason=reason)
    return ""


def _branch(change: ChangeRequest) -> str:
    return branch_there(change) or change.branch


KIND = Kind(carry_out, give_up, timedelta(days=1), "a day")
