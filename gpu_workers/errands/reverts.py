"""Carrying out a revert that a person asked for: one commit on the default branch, however often it is tried."""

import logging
from datetime import UTC, datetime, timedelta

from django.db import InterfaceError, OperationalError

from governance.selectors.holds import is_held
from gpu_workers.actions.pull_requests import record_closed_pull_request
from gpu_workers.actions.reverts import record_failed_revert, record_revert, record_unknown_revert
from gpu_workers.carrying_out import CutOff, watched
from gpu_workers.errands.kinds import MAX_DEATHS, Kind, forge_for
from gpu_workers.errands.withdrawing import withdrawn
from gpu_workers.events import ChangeReverted, ChangeRevertFailed, ChangeRevertUnknown
from gpu_workers.folders import repository_folder
from gpu_workers.forges import Forge, NotYet, Refused, Undo
from gpu_workers.forges.choosing import connection_of
from gpu_workers.forges.opening import asking
from gpu_workers.models import ChangeRequest, Errand
from gpu_workers.models.change import ChangeState
from gpu_workers.repos import BaseMoved, GitError, Signature, log
from gpu_workers.repos.changes import is_revert
from gpu_workers.repos.repository import branches_from
from gpu_workers.selectors import repository_named
from guildhall.evidence.selectors import done_since, recent
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection

logger = logging.getLogger(__name__)
ANSWERS = [ChangeReverted.kind, ChangeRevertFailed.kind]
LOOK_BACK = 1000
LOOK_AGAIN_S = 60.0
UNKNOWN = "Nobody knows whether its commit has landed."
GONE = (
    "It is not looked up any more: its repository is connected to nothing, and its git folder is not on this "
    "installation's disk."
)
NOT_LANDED = "Its commit is not on the default branch, as could be looked up now. Ask again where it is still wanted."


def carry_out(actor: Actor, errand: Errand, fence: int) -> None:
    """Undo the change on its default branch; done already, nothing changes.

    What conflicts with later commits, or meets a kill switch over everything, is written down as a failed revert: people
    ask again. So is one that nobody could look up before, where it has not landed. Raises BaseMoved when somebody else merges
    at the same moment, and GitError when git itself is in trouble.
    """
    change = ChangeRequest.objects.get(number=errand.number)
    if _is_over(change, errand):
        return
    unknown = _is_unknown(change, errand)
    if unknown and connection_of(change.repository) is None:
        # Of one that was disconnected since nobody can be asked any more, and what is said stays true.
        if not repository_folder(change.repository).is_dir():
            _end_unknown(actor, change, fence)
            return
        if _was_pushed(change):
            return
    sha, reason = _came_to(actor, errand, change, fence, look=unknown)
    if sha is None:
        record_failed_revert(actor=actor, change=change, fence=fence, reason=reason)
    else:
        record_revert(actor=actor, change=change, reverted_sha=sha)


def _end_unknown(actor: Actor, change: ChangeRequest, fence: int) -> None:
    """Say once, however often it is tried, that nobody looks any more."""
    last = next(iter(recent(kinds=[ChangeRevertUnknown.kind], subject=change.ref, outcome="done", limit=1)), None)
    if last is None or last["event"].get("reason") != GONE:
        record_unknown_revert(actor=actor, change=change, fence=fence, reason=GONE)


def _came_to(actor: Actor, errand: Errand, change: ChangeRequest, fence: int, *, look: bool) -> tuple[str | None, str]:
    """The commit that undoes the change, one that was made before a crash or, but for a mere look, a new one; or why not."""
    forge = _forge(actor, errand, change)
    try:
        sha, head = _looked_up(change, forge)
    except Refused as refusal:
        return None, refusal.detail
    if sha is not None or look:
        return sha, NOT_LANDED
    try:
        with watched(is_held):
            return _undone(actor, change, forge, head, fence), ""
    except GitError as conflict:
        if isinstance(conflict, BaseMoved) or not conflict.own:
            raise
        return None, conflict.said
    except CutOff as cut:
        return None, f"Nothing is carried out: {cut.hold.sentence}"
    except (NotYet, Refused) as refusal:
        return None, refusal.detail


def _forge(actor: Actor, errand: Errand, change: ChangeRequest) -> Forge:
    return forge_for(errand, actor, repository_named(change.repository), f"undoing change {change.number}")


def _undo(change: ChangeRequest) -> Undo:
    author = Signature("Guildhall", f"revert-{change.number}@guildhall.invalid")
    return Undo(change.number, change.merged_sha, change.base_sha, author, datetime.now(UTC))


def _looked_up(change: ChangeRequest, forge: Forge) -> tuple[str | None, str]:
    """The commit on the default branch that undoes the change, None where there is none; and where that branch is.

    Raises `NotYet` where nobody can say and it may have landed, `Refused` where it has not.
    """
    try:
        head = forge.refresh()
    except Refused as refusal:
        if _may_have_landed(change):
            raise NotYet(refusal.detail, LOOK_AGAIN_S) from refusal
        raise
    repo, undo = repository_folder(change.repository), _undo(change)
    for commit in log(repo, head, change.merged_sha, LOOK_BACK):
        # Whoever may push to a forge signs as they like: the address only says which are worth making again.
        signed = commit.email == undo.author.email
        if signed and is_revert(repo, commit, change.merged_sha, undo.author, base=change.base_sha):
            return commit.sha, head
    return None, head


def _undone(actor: Actor, change: ChangeRequest, forge: Forge, head: str, fence: int) -> str:
    """A new commit that undoes the change on top of `head`, landed."""
    if hold := is_held():
        raise CutOff(hold)
    undo = _undo(change)
    branch = undo.branch(head)
    for earlier in branches_from(repository_folder(change.repository), undo.branches):
        if earlier != branch:
            # What was opened from it is made on a commit that the base has left, by a worker that died or was overtaken.
            for number in withdrawn(actor, change, forge, earlier, fence):
                record_closed_pull_request(actor=actor, change=change, number=number, fence=fence)
    release_connection()
    return forge.undo(undo, head, asking(actor, change, branch))


def give_up(actor: Actor, errand: Errand, fence: int, reason: str) -> str:
    """Say that it failed, or that it has landed; what may have landed and cannot be looked up is not over."""
    change = ChangeRequest.objects.get(number=errand.number)
    if _is_over(change, errand):
        return ""
    if _is_unknown(change, errand):
        return f"{UNKNOWN} {reason}"
    # Where looking itself ends a worker, nobody looks.
    looked, sha = _looked(actor, errand, change) if errand.tries <= MAX_DEATHS + 1 else (False, None)
    if sha is not None:
        record_revert(actor=actor, change=change, reverted_sha=sha)
    elif looked or not _may_have_landed(change):
        record_failed_revert(actor=actor, change=change, fence=fence, reason=reason)
    else:
        record_unknown_revert(actor=actor, change=change, fence=fence, reason=reason)
        return f"{UNKNOWN} {reason}"
    return ""


def _looked(actor: Actor, errand: Errand, change: ChangeRequest) -> tuple[bool, str | None]:
    """Whether it could be looked up, and the commit that undoes the change."""
    try:
        return True, _looked_up(change, _forge(actor, errand, change))[0]
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.warning("nobody can look whether %s landed", errand, exc_info=True)
        return False, None


def _may_have_landed(change: ChangeRequest) -> bool:
    """Whether a commit that undoes the change may be on the default branch, as far as is known here."""
    if connection_of(change.repository) is None:
        return repository_folder(change.repository).is_dir()
    try:
        return _was_pushed(change)
    except GitError:
        return True


def _was_pushed(change: ChangeRequest) -> bool:
    """Whether a branch was made here to take the change back by a forge: before that hears of any."""
    return bool(branches_from(repository_folder(change.repository), _undo(change).branches))


def _is_over(change: ChangeRequest, errand: Errand) -> bool:
    return change.state != ChangeState.MERGED or done_since(kinds=ANSWERS, subject=change.ref, since=errand.asked_at)


def _is_unknown(change: ChangeRequest, errand: Errand) -> bool:
    """Whether people were told that nobody knows: from then on its end is looked for, and nothing else is done."""
    return done_since(kinds=[ChangeRevertUnknown.kind], subject=change.ref, since=errand.asked_at)


KIND = Kind(carry_out, give_up, timedelta(hours=1), "an hour")
