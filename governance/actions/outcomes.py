"""What becomes of approvals after or instead of an answer: void, expired, executed, or stalled."""

from collections.abc import Mapping
from typing import Any

from django.db.models.functions import Now

from governance.actions.approvals import find, is_due
from governance.events import ApprovalExecuted, ApprovalExpired, ApprovalStalled, ApprovalVoided
from governance.models import Approval, ApprovalState
from governance.models.approvals import CALLS, ApprovalKind
from governance.selectors import active_policy
from governance.selectors.approvals import approval_view
from governance.views import ApprovalView
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict


class _Settled(Exception):
    """It is no longer in the state that this is about."""


def void_approvals(*, actor: Actor, subject: str, reason: str, keep_hash: str = "") -> int:
    """Void what waits or is approved for `subject` (but the one bound to `keep_hash`); returns how many."""
    open_states = [ApprovalState.PENDING, ApprovalState.APPROVED]
    rows = Approval.objects.filter(subject=subject, state__in=open_states).exclude(binding_hash=keep_hash)
    return _each(list(rows), lambda row: _void(actor=actor, approval=row, reason=reason))


def expire_due(*, actor: Actor) -> int:
    """Expire what nobody decided in time; returns how many."""
    rows = Approval.objects.filter(state=ApprovalState.PENDING, expires_at__lte=Now()).order_by("id")[:500]
    return _each(list(rows), lambda row: _expire(actor=actor, approval=row))


def alarm_unexecuted(*, actor: Actor) -> int:
    """Raise an alarm, once each, for what is approved and not executed after the policy's time; returns how many.

    What waits for the end of a freeze waits as it should: its time begins when that is over.
    """
    minutes = active_policy().document.approvals.unexecuted_alarm_minutes
    rows = Approval.objects.filter(state=ApprovalState.APPROVED, alarmed_at__isnull=True).extra(
        where=[
            "coalesce(tried_at, decided_at) <= now() - make_interval(mins => %s)",
            "(held_until IS NULL OR held_until <= now())",
        ],
        params=[minutes],
    )
    return _each(list(rows[:500]), lambda row: _alarm(actor=actor, approval=row, minutes=minutes))


def record_outcome(*, actor: Actor, approval: int, receipt: Mapping[str, Any]) -> ApprovalView:
    """Write down, once, that approval number `approval` was carried out.

    A merge's receipt names `merged_sha`, a deployment's `deployed_sha` and `healthy`; the sha is the binding's
    `commit_sha`. An agent's action names the binding's own `step` and `arguments_hash`. Raises `NotFound`, and
    `Conflict` when it is not approved, was executed, or something else was done.
    """
    return approval_view(_execute(actor=actor, approval=find(approval), receipt=dict(receipt)))


def _each(rows: list[Approval], act: Any) -> int:
    count = 0
    for row in rows:
        try:
            act(row)
        except _Settled:
            continue
        count += 1
    return count


@governed("approval.void", lock="approval")
def _void(*, actor: Actor, approval: Approval, reason: str) -> None:
    if approval.state not in (ApprovalState.PENDING, ApprovalState.APPROVED):
        raise _Settled
    before = approval.state
    approval.void()
    approval.state_reason = reason[:300]
    approval.save(update_fields=["state", "state_reason"])
    record(
        ApprovalVoided(
            subject=approval.ref,
            number=approval.pk,
            about=approval.subject,
            approval_kind=approval.kind,
            reason=reason,
            binding=approval.binding,
        ),
        actor=actor,
        before={"state": before},
        after={"state": approval.state},
        reason=reason,
    )


@governed("approval.expire", lock="approval")
def _expire(*, actor: Actor, approval: Approval) -> None:
    if approval.state != ApprovalState.PENDING or not is_due(approval):
        raise _Settled
    approval.expire()
    approval.decided_at = Now()
    approval.save(update_fields=["state", "decided_at"])
    record(
        ApprovalExpired(
            subject=approval.ref,
            number=approval.pk,
            about=approval.subject,
            approval_kind=approval.kind,
            title=approval.title,
            binding=approval.binding,
        ),
        actor=actor,
        before={"state": "pending"},
        after={"state": approval.state},
    )


@governed("approval.record_outcome", lock="approval")
def _execute(*, actor: Actor, approval: Approval, receipt: dict[str, Any]) -> Approval:
    keep_outcome(actor, approval, receipt)
    return approval


def keep_outcome(actor: Actor, approval: Approval, receipt: dict[str, Any]) -> None:
    """The receipt of a locked approval, in the transaction of what it is the receipt of where that is our own.

    Raises `Conflict` when it is not approved, was executed, or something else was done.
    """
    if approval.state != ApprovalState.APPROVED:
        raise Conflict(
            f"Approval #{approval.pk} is {approval.get_state_display().lower()}, so nothing follows from it."
        )
    _refuse_other_outcome(approval, receipt)
    approval.execute()
    approval.outcome = receipt
    approval.executed_at = Now()
    approval.save(update_fields=["state", "outcome", "executed_at"])
    approval.refresh_from_db()
    record(
        ApprovalExecuted(
            subject=approval.ref,
            number=approval.pk,
            about=approval.subject,
            approval_kind=approval.kind,
            title=approval.title,
            binding=approval.binding,
            receipt=receipt,
        ),
        actor=actor,
        before={"state": "approved"},
        after={"state": approval.state, "outcome": receipt},
        step="approval.record_outcome",
    )


def _refuse_other_outcome(approval: Approval, receipt: Mapping[str, Any]) -> None:
    if not receipt:
        raise Conflict("An outcome without a receipt is no outcome.")
    proof = {ApprovalKind.MERGE.value: "merged_sha", ApprovalKind.DEPLOYMENT.value: "deployed_sha"}.get(approval.kind)
    if proof and (receipt.get(proof) is None or receipt[proof] != approval.binding.get("commit_sha")):
        raise Conflict(
            f"Approved was {approval.binding.get('commit_sha')}, the receipt's {proof} is {receipt.get(proof)}."
        )
    if approval.kind in CALLS or "arguments_hash" in approval.binding:
        asked = {name: approval.binding.get(name) for name in ("step", "arguments_hash")}
        if {name: receipt.get(name) for name in asked} != asked:
            raise Conflict("The receipt is of another call than the one that was approved.")
    if approval.kind == ApprovalKind.DEPLOYMENT and receipt.get("healthy") is not True:
        raise Conflict("The deployment is not healthy, so it is not done.")


@governed("approval.alarm", lock="approval")
def _alarm(*, actor: Actor, approval: Approval, minutes: int) -> None:
    if approval.state != ApprovalState.APPROVED or approval.alarmed_at is not None:
        raise _Settled
    Approval.objects.filter(pk=approval.pk).update(alarmed_at=Now())
    record(
        ApprovalStalled(subject=approval.ref, number=approval.pk, about=approval.subject, minutes=minutes),
        actor=actor,
    )
