"""Who may decide an approval."""

from governance.models import Approval
from governance.views import ApprovalView
from guildhall.kernel.actor import Actor, ActorKind
from guildhall.kernel.errors import Denied


def refuse_decider(actor: Actor, approval: Approval | ApprovalView) -> None:
    """Raise `Denied` with the reason when `actor` may not decide `approval`; return when it may."""
    if actor.kind not in (ActorKind.PERSON, ActorKind.OWNER):
        raise Denied("Only people decide approvals.")
    if actor.has_role("client"):
        raise Denied("Clients do not decide approvals.")
    if actor.ref == approval.requester:
        raise Denied("You asked for this yourself; somebody else decides it.")
    if actor.ref in approval.excluded:
        raise Denied("You took part in the work that this is about; somebody else decides it.")
    if not actor.has_role(*approval.eligible_roles):
        raise Denied(f"This needs one of the roles {', '.join(approval.eligible_roles)}.")


def may_decide(actor: Actor, approval: Approval | ApprovalView) -> bool:
    """Whether `actor` may decide `approval` (its state aside)."""
    try:
        refuse_decider(actor, approval)
    except Denied:
        return False
    return True
