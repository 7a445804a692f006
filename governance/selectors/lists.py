"""What the API lists, from what the actor may see: money, agents' history, holds and evidence are not for clients."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from governance.models import Approval, Hold
from governance.policies.decisions import refuse_decider
from governance.selectors.approvals import visible_approvals
from guildhall.evidence.selectors import TrailFilter, search_trail
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied, NotFound


def refuse_outsider(actor: Actor) -> None:
    """Raises `Denied` for clients and for whoever is no member: what the house spends and does is not theirs to read."""
    if actor.is_person and not actor.roles - {"client"}:
        raise Denied("This is for members of the organisation, not for clients.")


def find_approval(actor: Actor, number: int) -> Approval:
    """An approval's row with its votes. Raises `NotFound`, whether it is missing or not the actor's to see."""
    row = visible_approvals(actor).filter(pk=number).first()
    if row is None:
        raise NotFound(f"There is no approval #{number}.")
    return row


def why_not_decide(actor: Actor, approval: Approval) -> str:
    """Why the actor may not decide it, in words; "" when it may."""
    if approval.state != "pending":
        return f"It is {approval.get_state_display().lower()} already."
    if any(vote.voter == actor.ref for vote in approval.votes.all()):
        return "You have answered this already."
    try:
        refuse_decider(actor, approval)
    except Denied as refusal:
        return refusal.detail
    return ""


def holds_visible_to(actor: Actor) -> QuerySet[Hold]:
    """Kill switches that are on. Raises `Denied` for clients."""
    refuse_outsider(actor)
    return Hold.objects.filter(lifted_at__isnull=True)


def lifted_holds(actor: Actor) -> QuerySet[Hold]:
    """Kill switches that were lifted, the last to be lifted first. Raises `Denied` for clients."""
    refuse_outsider(actor)
    return Hold.objects.filter(lifted_at__isnull=False).order_by("-lifted_at", "-id")


def find_active_hold(actor: Actor, pk: int) -> Hold:
    """A kill switch that is on. Raises `NotFound`."""
    row = holds_visible_to(actor).filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such hold, or it was lifted.")
    return row


def audit_trail(actor: Actor, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The newest lines of the tenant's audit trail: fields of `TrailFilter`, `before`, `limit`. Raises `Denied` for clients."""
    refuse_outsider(actor)
    paging = {name: wanted[name] for name in ("before", "limit") if name in wanted}
    fields = {name: value for name, value in wanted.items() if name not in paging}
    if "operation" in fields:
        fields["operation"] = str(fields["operation"])
    return search_trail(TrailFilter(**fields), **paging)


def waiting_for(actor: Actor) -> QuerySet[Approval]:
    """Approvals that wait for the actor's own decision; the database's form of `may_decide`."""
    open_ = visible_approvals(actor).filter(state="pending", expires_at__gt=Now())
    if not actor.is_person or actor.has_role("client"):
        return open_.none()
    return open_.filter(eligible_roles__overlap=sorted(actor.roles)).exclude(
        Q(requester=actor.ref) | Q(excluded__contains=[actor.ref]) | Q(votes__voter=actor.ref)
    )
