"""An approved merge: exactly what was approved, or nothing, and then the approval says why and when it is tried again."""

import logging
from datetime import UTC, datetime, timedelta

from governance.actions.outcomes_held import hold_back
from governance.selectors import approval as approval_of
from gpu_workers.errands.kinds import Kind
from gpu_workers.merging import AWAY_S, NotApproved, NotNow, merge_approved
from gpu_workers.models import Errand
from gpu_workers.receipts import hand_in
from gpu_workers.repos import GitError
from guildhall.kernel.actor import Actor

logger = logging.getLogger(__name__)
TROUBLE = "It cannot be carried out now and is tried again."


def carry_out(actor: Actor, errand: Errand, fence: int) -> None:
    given = approval_of(actor, errand.number)
    task = given.subject.partition(":")[2]
    try:
        change = merge_approved(actor=actor, task=task, binding=dict(given.binding), approval=errand.number)
    except NotApproved as refusal:
        logger.warning("approval %s is not carried out: %s", errand.number, refusal.detail)
        until = refusal.until if isinstance(refusal, NotNow) else None
        hold_back(actor=actor, approval=errand.number, reason=refusal.detail, until=until)
        return
    except (GitError, KeyError) as trouble:
        # The repository's or its forge's own: it is over one day, and nobody has to look before.
        logger.exception("approval %s cannot be carried out", errand.number)
        said = trouble.said if isinstance(trouble, GitError) else "The forge's answer cannot be used."
        until = datetime.now(UTC) + timedelta(seconds=AWAY_S)
        hold_back(actor=actor, approval=errand.number, reason=f"{TROUBLE} {said}", until=until)
        return
    if change is not None:
        # It may have been merged under an earlier approval, before its story was stopped: no other event follows then.
        hand_in(actor, change.number, approval=errand.number, task=task, sha=change.merged_sha)


def give_up(actor: Actor, errand: Errand, fence: int, reason: str) -> None:
    """The approval stays as it is; people have it tried again once they know more."""
    hold_back(actor=actor, approval=errand.number, reason=reason)


KIND = Kind(carry_out, give_up, timedelta(hours=1), "an hour")
