"""What follows once people have decided about a budget."""

import logging

from governance.actions.overrides import KIND, override_budget
from governance.approval_events import ApprovalRetried
from governance.events import ApprovalDecided
from guildhall.kernel.actor import system_actor
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.errors import Conflict

logger = logging.getLogger(__name__)


@consumer("governance.overrides", kinds=[ApprovalDecided, ApprovalRetried])
def carry_out(event: Delivered) -> None:
    """An approved override raises its limit, and the approval gets its receipt."""
    told = event.data
    assert isinstance(told, ApprovalDecided | ApprovalRetried)
    given = isinstance(told, ApprovalRetried) or told.decision == "approved"
    if told.approval_kind != KIND or not given:
        return
    actor = system_actor("executor", event.tenant)
    try:
        override_budget(actor=actor, approval=told.number, binding=told.binding)
    except Conflict as refusal:
        logger.warning("approval %s is not carried out: %s", told.number, refusal.detail)
