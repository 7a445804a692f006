"""Carrying out a revert that a person asked for: one commit on the default branch, however often it is tried."""

from datetime import UTC, datetime

from governance.selectors.holds import is_held
from gpu_workers.actions.reverts import record_failed_revert, record_revert
from gpu_workers.folders import repository_folder
from gpu_workers.forges import NotYet, Refused, Undo
from gpu_workers.forges.choosing import forge_of
from gpu_workers.forges.vault import Opening
from gpu_workers.models import ChangeRequest
from gpu_workers.models.change import ChangeState
from gpu_workers.repos import BaseMoved, GitError, Signature, log
from gpu_workers.selectors import repository_named
from guildhall.kernel.actor import Actor

LOOK_BACK = 1000


def carry_out_revert(*, actor: Actor, number: int) -> ChangeRequest:
    """Undo change `number` on its default branch; done already, nothing changes.

    What conflicts with later commits, or meets a kill switch over everything, is written down as a failed revert: people
    ask again. Raises BaseMoved when somebody merges at the
    same moment; trying again helps.
    """
    change = ChangeRequest.objects.get(number=number)
    if change.state != ChangeState.MERGED:
        return change
    repository = repository_named(change.repository)
    opening = Opening(actor, f"undoing change {change.number}")
    repo, forge = repository_folder(repository.name), forge_of(repository, opening)
    # Only we write with this address, so a commit that bears it is this revert, made before a crash.
    author = Signature("Guildhall", f"revert-{change.number}@guildhall.invalid")
    try:
        head = forge.refresh()
        known = (commit.sha for commit in log(repo, head, change.merged_sha, LOOK_BACK) if commit.email == author.email)
        undo = Undo(change.number, change.merged_sha, change.base_sha, author, datetime.now(UTC))
        sha = next(known, "")
        if not sha and (hold := is_held()):
            return record_failed_revert(actor=actor, change=change, reason=f"Nothing is carried out: {hold.sentence}")
        sha = sha or forge.undo(undo, head)
    except BaseMoved:
        raise
    except (GitError, NotYet, Refused) as conflict:
        return record_failed_revert(actor=actor, change=change, reason=str(conflict))
    return record_revert(actor=actor, change=change, reverted_sha=sha)
