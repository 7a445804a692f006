"""What agents' room does once people have decided: merge exactly what was approved, and keep the receipt of it."""

import logging

from governance.actions.outcomes import record_outcome
from governance.actions.outcomes_held import hold_back
from governance.approval_events import ApprovalRetried
from governance.events import ApprovalDecided
from gpu_workers.events import ChangeMerged
from gpu_workers.merging import NotApproved, NotNow, merge_approved
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.errors import Conflict
from workflows.actions import complete_task
from workflows.machines import MergeReceipt
from workflows.models import Task

logger = logging.getLogger(__name__)


@consumer("agents.merges", kinds=[ApprovalDecided, ApprovalRetried])
def merge(event: Delivered) -> None:
    """An approved merge is carried out: exactly what was approved, or nothing, and then the approval says why."""
    told = event.data
    assert isinstance(told, ApprovalDecided | ApprovalRetried)
    given = isinstance(told, ApprovalRetried) or told.decision == "approved"
    if told.approval_kind != "merge" or not given:
        return
    task, actor = told.about.partition(":")[2], _executor(event)
    try:
        merge_approved(actor=actor, task=task, binding=told.binding, approval=told.number)
    except NotApproved as refusal:
        logger.warning("approval %s is not carried out: %s", told.number, refusal.detail)
        until = refusal.until if isinstance(refusal, NotNow) else None
        hold_back(actor=actor, approval=told.number, reason=refusal.detail, until=until)


@consumer("agents.receipts", kinds=[ChangeMerged])
def hand_in_receipt(event: Delivered) -> None:
    """A merge is on the branch: the approval gets its receipt and the task is done."""
    merged = event.data
    assert isinstance(merged, ChangeMerged)
    receipt = {"merged_sha": merged.merged_sha, "change": int(merged.subject.partition(":")[2])}
    try:
        record_outcome(actor=_executor(event), approval=merged.approval, receipt=receipt)
    except Conflict as known:
        logger.info("approval %s has its outcome: %s", merged.approval, known.detail)
    waits = Task.objects.select_related("story").filter(state="pending_po_approval", commit_sha=merged.merged_sha)
    task = waits.filter(reference=merged.task).first()
    if task is None:
        # It has its receipt, or was sent back since, and another commit is its work now.
        return
    complete_task(actor=_executor(event), task=task, receipt=MergeReceipt(merged.merged_sha, merged.merged_sha))


def _executor(event: Delivered) -> Actor:
    return system_actor("executor", event.tenant)
