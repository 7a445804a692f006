"""Carrying out a revert that a person asked for: one commit on the default branch, however often it is tried."""

from datetime import UTC, datetime, timedelta

from governance.selectors.holds import is_held
from gpu_workers.actions.reverts import record_failed_revert, record_revert
from gpu_workers.errands.kinds import Kind, forge_for
from gpu_workers.events import ChangeReverted, ChangeRevertFailed
from gpu_workers.folders import repository_folder
from gpu_workers.forges import Forge, NotYet, Refused, Undo
from gpu_workers.models import ChangeRequest, Errand
from gpu_workers.models.change import ChangeState
from gpu_workers.repos import BaseMoved, GitError, Signature, log
from gpu_workers.repos.changes import is_revert
from gpu_workers.selectors import repository_named
from guildhall.evidence.selectors import done_since
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from guildhall.kernel.tenancy import release_connection

ANSWERS = [ChangeReverted.kind, ChangeRevertFailed.kind]
LOOK_BACK = 1000


def carry_out(actor: Actor, errand: Errand, fence: int) -> None:
    """Undo the change on its default branch; done already, nothing changes.

    What conflicts with later commits, or meets a kill switch over everything, is written down as a failed revert: people
    ask again. Raises BaseMoved when somebody else merges at the same moment, and GitError when git itself is in trouble.
    """
    change = ChangeRequest.objects.get(number=errand.number)
    if change.state != ChangeState.MERGED or done_since(kinds=ANSWERS, subject=change.ref, since=errand.asked_at):
        return
    forge = forge_for(errand, actor, repository_named(change.repository), f"undoing change {change.number}")
    try:
        sha = _undone(change, forge)
    except GitError as conflict:
        if isinstance(conflict, BaseMoved) or not conflict.own:
            raise
        record_failed_revert(actor=actor, change=change, fence=fence, reason=conflict.said)
        return
    except (NotYet, Refused, _Held) as refusal:
        record_failed_revert(actor=actor, change=change, fence=fence, reason=refusal.detail)
        return
    record_revert(actor=actor, change=change, reverted_sha=sha)


class _Held(Conflict):
    """A kill switch over everything is on."""


def _undone(change: ChangeRequest, forge: Forge) -> str:
    """The commit that undoes the change: one that was made before a crash, else a new one."""
    repo = repository_folder(change.repository)
    author = Signature("Guildhall", f"revert-{change.number}@guildhall.invalid")
    head = forge.refresh()
    for commit in log(repo, head, change.merged_sha, LOOK_BACK):
        # Whoever may push to a forge signs as they like: the address only says which are worth making again.
        if commit.email == author.email and is_revert(repo, commit, change.merged_sha, author, base=change.base_sha):
            return commit.sha
    if hold := is_held():
        raise _Held(f"Nothing is carried out: {hold.sentence}")
    release_connection()
    return forge.undo(Undo(change.number, change.merged_sha, change.base_sha, author, datetime.now(UTC)), head)


def give_up(actor: Actor, errand: Errand, fence: int, reason: str) -> None:
    change = ChangeRequest.objects.get(number=errand.number)
    if change.state == ChangeState.MERGED:
        record_failed_revert(actor=actor, change=change, fence=fence, reason=reason)


KIND = Kind(carry_out, give_up, timedelta(hours=1), "an hour")
