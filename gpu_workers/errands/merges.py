"""An approved merge: exactly what was approved, or nothing, and then the approval says why.

One that waits for its forge waits here. One that people or the policy keep back is ordered anew when that is over.
"""

import logging
from datetime import UTC, datetime, timedelta

from governance.actions.outcomes_held import hold_back
from governance.selectors import approval as approval_of
from gpu_workers.errands.kinds import Kind, forge_for
from gpu_workers.forges import Forge, NotYet
from gpu_workers.merge_rules import NotApproved, NotNow
from gpu_workers.merging import AWAY_S, ForgeWaits, merge_approved
from gpu_workers.models import Errand, Repository
from gpu_workers.receipts import hand_in
from gpu_workers.repos import GitError
from guildhall.kernel.actor import Actor

logger = logging.getLogger(__name__)
TROUBLE = "It cannot be carried out now and is tried again."
MARGIN = timedelta(minutes=1)
"""For trying it again: what is about to be tried waits as it should, and is no reason for an alarm."""


def carry_out(actor: Actor, errand: Errand, fence: int) -> None:
    given = approval_of(actor, errand.number)
    task = given.subject.partition(":")[2]

    def reach(repository: Repository) -> Forge:
        return forge_for(errand, actor, repository, f"merging {task}")

    try:
        change = merge_approved(
            actor=actor, task=task, binding=dict(given.binding), approval=errand.number, reach=reach
        )
    except (ForgeWaits, GitError, KeyError) as trouble:
        wait = _wait(errand, trouble)
        until = datetime.now(UTC) + timedelta(seconds=wait.seconds) + MARGIN
        hold_back(actor=actor, approval=errand.number, reason=wait.detail, until=until)
        raise wait from trouble
    except NotApproved as refusal:
        logger.warning("approval %s is not carried out: %s", errand.number, refusal.detail)
        held_until = refusal.until if isinstance(refusal, NotNow) else None
        hold_back(actor=actor, approval=errand.number, reason=refusal.detail, until=held_until)
        return
    if change is not None:
        # It may have been merged under an earlier approval, before its story was stopped: no other event follows then.
        hand_in(actor, change.number, approval=errand.number, task=task, sha=change.merged_sha)


def _wait(errand: Errand, trouble: ForgeWaits | GitError | KeyError) -> NotYet:
    """Why it waits, for people, and for how long."""
    if isinstance(trouble, ForgeWaits):
        return NotYet(trouble.detail, max((trouble.until - datetime.now(UTC)).total_seconds(), 0))
    # The repository's or its forge's own: it is over one day, and nobody has to look before.
    logger.error("approval %s cannot be carried out", errand.number, exc_info=trouble)
    said = trouble.said if isinstance(trouble, GitError) else "The forge's answer cannot be used."
    return NotYet(f"{TROUBLE} {said}", AWAY_S)


def give_up(actor: Actor, errand: Errand, fence: int, reason: str) -> str:
    """The approval stays as it is; people have it tried again once they know more."""
    hold_back(actor=actor, approval=errand.number, reason=reason)
    return ""


KIND = Kind(carry_out, give_up, timedelta.max, "long", longest_rest_s=0)
