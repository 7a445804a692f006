"""What is approved and not executed: why it waits, trying it again, and people taking their yes back."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models.functions import Now

from governance.actions.approvals import find
from governance.approval_events import ApprovalHeldBack, ApprovalRetried
from governance.events import ApprovalVoided
from governance.models import Approval, ApprovalState
from governance.selectors.approvals import approval_view
from governance.selectors.release import release_controls
from governance.views import ApprovalView
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from guildhall.kernel.reasons import checked_reason


class _Known(Exception):
    """Nothing is new about it."""


def hold_back(*, actor: Actor, approval: int, reason: str, until: datetime | None = None) -> None:
    """Say why approval number `approval` is not carried out, and from when on it is tried again by itself (else never).

    An approval that nothing follows from any more stays as it is. The same reason again, with another time, moves the time:
    that is bookkeeping and is told to nobody.
    """
    reason = reason[:300]
    if until is not None:
        same = Approval.objects.filter(pk=approval, state=ApprovalState.APPROVED, held_reason=reason)
        if same.filter(held_until__isnull=False).update(held_until=until):
            return
    try:
        _hold_back(actor=actor, approval=find(approval), reason=reason, until=until)
    except _Known:
        return


@governed("approval.hold_back", lock="approval")
def _hold_back(*, actor: Actor, approval: Approval, reason: str, until: datetime | None) -> None:
    told = approval.held_reason == reason and (approval.held_until is None) == (until is None)
    if approval.state != ApprovalState.APPROVED or told:
        raise _Known
    Approval.objects.filter(pk=approval.pk).update(held_reason=reason, held_until=until)
    event = ApprovalHeldBack(
        subject=approval.ref,
        number=approval.pk,
        about=approval.subject,
        reason=reason,
        until=until.isoformat() if until else "",
    )
    record(event, actor=actor, after={"held_reason": reason})


def retry_approval(*, actor: Actor, approval: int, reason: str) -> ApprovalView:
    """Have approval number `approval` carried out now, where it was approved and is not executed.

    Safe to repeat: the executor looks at what was done already. Raises `NotFound`, `Invalid` without a reason, `Conflict`.
    """
    return approval_view(_retry(actor=actor, approval=find(approval), reason=checked_reason(" ".join(reason.split()))))


@governed("approval.retry", lock="approval")
def _retry(*, actor: Actor, approval: Approval, reason: str) -> Approval:
    _refuse_unapproved(approval)
    Approval.objects.filter(pk=approval.pk).update(tried_at=Now(), held_reason="", held_until=None, alarmed_at=None)
    event = ApprovalRetried(
        subject=approval.ref,
        number=approval.pk,
        about=approval.subject,
        approval_kind=approval.kind,
        binding=approval.binding,
        reason=reason,
    )
    record(event, actor=actor, before={"held_reason": approval.held_reason}, reason=reason)
    approval.refresh_from_db()
    return approval


def take_back(*, actor: Actor, approval: int, reason: str) -> ApprovalView:
    """Void approval number `approval`, which was given and is not executed: nothing follows from it any more.

    Where the work still waits, it is asked anew. Raises `NotFound`, `Invalid` without a reason, `Conflict`.
    """
    return approval_view(
        _take_back(actor=actor, approval=find(approval), reason=checked_reason(" ".join(reason.split())))
    )


@governed("approval.take_back", lock="approval")
def _take_back(*, actor: Actor, approval: Approval, reason: str) -> Approval:
    _refuse_unapproved(approval)
    approval.void()
    approval.state_reason = reason
    approval.save(update_fields=["state", "state_reason"])
    event = ApprovalVoided(
        subject=approval.ref,
        number=approval.pk,
        about=approval.subject,
        approval_kind=approval.kind,
        reason=reason,
        binding=approval.binding,
    )
    record(event, actor=actor, before={"state": "approved"}, after={"state": approval.state}, reason=reason)
    return approval


def retry_held(*, actor: Actor, stopped: Callable[[str], bool]) -> int:
    """Have everything carried out whose freeze or lock is over; how many. Called several times a minute.

    `stopped` says of what an approval is about (such as `task:SHOP-142.3`) whether a kill switch keeps it back.
    """
    count = 0
    rows = Approval.objects.filter(state=ApprovalState.APPROVED, held_until__isnull=False).order_by("id")[:500]
    for row in rows:
        if release_controls(environment_of(row.binding)).block is not None or stopped(row.subject):
            continue
        try:
            _retry(actor=actor, approval=row, reason="What held it back is over.")
        except Conflict:
            continue
        count += 1
    return count


def environment_of(binding: dict[str, Any]) -> str:
    """The environment that an approval is bound to."""
    return str(binding.get("environment", ""))


def _refuse_unapproved(approval: Approval) -> None:
    if approval.state != ApprovalState.APPROVED:
        raise Conflict(
            f"Approval #{approval.pk} is {approval.get_state_display().lower()}; there is nothing to carry out."
        )
