"""The receipt of a merge: the approval gets it, and the task is done."""

import logging

from governance.actions.outcomes import record_outcome, void_approvals
from governance.selectors import approval as approval_of
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from workflows.actions import complete_task
from workflows.actions.outcomes import Approved
from workflows.machines import MergeReceipt
from workflows.models import Task

logger = logging.getLogger(__name__)


def hand_in(actor: Actor, change: int, *, approval: int, task: str, sha: str) -> None:
    """Say that `sha` is merged, as often as anybody likes: to the approval, and to the task where that waits for it."""
    try:
        record_outcome(actor=actor, approval=approval, receipt={"merged_sha": sha, "change": change})
    except Conflict as known:
        logger.info("approval %s has its outcome: %s", approval, known.detail)
    waits = Task.objects.select_related("story").filter(state="pending_po_approval", commit_sha=sha)
    row = waits.filter(reference=task).first()
    if row is None:
        # It has its receipt, or was sent back since, and another commit is its work now.
        return
    complete_task(actor=actor, task=row, receipt=MergeReceipt(sha, sha), approved=_approved_by(actor, approval))
    void_approvals(actor=actor, subject=row.ref, reason=f"{task} is merged.")


def _approved_by(actor: Actor, number: int) -> Approved | None:
    """Whose yes was the last that the approval needed."""
    given = approval_of(actor, number)
    yes = max((vote for vote in given.votes if vote.decision == "approve"), key=lambda vote: vote.at, default=None)
    return Approved(yes.voter, yes.voter_name, given.ref) if yes else None
