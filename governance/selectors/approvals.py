"""Approvals as other rooms see them."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Q, QuerySet

from governance.binding import binding_hash
from governance.models import Approval, ApprovalState
from governance.policies.decisions import may_decide
from governance.views import ApprovalView, VoteView
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, NotFound


def approval_view(row: Approval) -> ApprovalView:
    return ApprovalView(
        number=row.pk,
        ref=row.ref,
        kind=str(row.kind),
        subject=row.subject,
        title=row.title,
        summary=row.summary,
        binding=row.binding,
        binding_hash=row.binding_hash,
        risk=str(row.risk),
        client=row.client,
        requester=row.requester,
        excluded=tuple(row.excluded),
        eligible_roles=tuple(row.eligible_roles),
        quorum=row.quorum,
        state=str(row.state),
        state_reason=row.state_reason,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        executed_at=row.executed_at,
        alarmed_at=row.alarmed_at,
        held_reason=row.held_reason,
        outcome=row.outcome,
        votes=tuple(
            VoteView(vote.voter, vote.voter_name, str(vote.decision), vote.feedback, vote.at)
            for vote in row.votes.all()
        ),
    )


def visible_approvals(actor: Actor) -> QuerySet[Approval]:
    """Members see the tenant's approvals, a client's members only those of their client."""
    rows = Approval.objects.prefetch_related("votes")
    if actor.has_role("client"):
        return rows.filter(client=actor.client or "") if actor.client else rows.none()
    return rows


def approvals_visible_to(
    actor: Actor, *, state: str = "", subjects: Collection[str] = (), limit: int = 100
) -> list[ApprovalView]:
    """The newest approvals that `actor` may see, of one state or about these subjects where given."""
    wanted = Q()
    if state:
        wanted &= Q(state=state)
    if subjects:
        wanted &= Q(subject__in=subjects)
    return [approval_view(row) for row in visible_approvals(actor).filter(wanted).order_by("-id")[:limit]]


def approval(actor: Actor, number: int) -> ApprovalView:
    """One approval. Raises `NotFound` when there is none that `actor` may see."""
    row = visible_approvals(actor).filter(pk=number).first()
    if row is None:
        raise NotFound(f"There is no approval #{number}.")
    return approval_view(row)


def pending_for(actor: Actor) -> list[ApprovalView]:
    """What waits for `actor` to decide, the first to expire first."""
    rows = (
        visible_approvals(actor)
        .filter(state=ApprovalState.PENDING)
        .exclude(votes__voter=actor.ref)
        .order_by("expires_at")
    )
    return [approval_view(row) for row in rows if may_decide(actor, row)]


def pending_and_alarming(actor: Actor) -> tuple[list[ApprovalView], list[ApprovalView]]:
    """What waits for `actor` to decide, and what they see that is given, not executed and has raised the alarm."""
    alarms = Q(state=ApprovalState.APPROVED, alarmed_at__isnull=False)
    rows = visible_approvals(actor).filter(Q(state=ApprovalState.PENDING) | alarms).order_by("expires_at")
    waiting, alarming = [], []
    for row in rows:
        if row.state == ApprovalState.APPROVED:
            alarming.append(approval_view(row))
        elif may_decide(actor, row) and all(vote.voter != actor.ref for vote in row.votes.all()):
            waiting.append(approval_view(row))
    return waiting, alarming


def latest_approval(subject: str, *, kind: str = "") -> ApprovalView | None:
    """The newest approval about `subject`, for the platform's own use (no actor's visibility)."""
    rows = Approval.objects.prefetch_related("votes").filter(subject=subject)
    row = (rows.filter(kind=kind) if kind else rows).order_by("-id").first()
    return approval_view(row) if row else None


def latest_bound(subject: str, kind: str, facts: Mapping[str, Any]) -> ApprovalView | None:
    """The newest approval of `kind` about `subject` whose binding holds these facts, for the platform's own use."""
    rows = Approval.objects.prefetch_related("votes").filter(subject=subject, kind=kind, binding__contains=dict(facts))
    row = rows.order_by("-id").first()
    return approval_view(row) if row else None


def approved_for(number: int, facts: Mapping[str, Any]) -> ApprovalView:
    """The approval that lets an executor do exactly what `facts` say, such as {"commit_sha": ...}.

    Every fact must be in the binding with the same value. Raises `NotFound`, and `Conflict` when it is not approved,
    was used already, or does not cover this.
    """
    row = Approval.objects.prefetch_related("votes").filter(pk=number).first()
    if row is None:
        raise NotFound(f"There is no approval #{number}.")
    if row.state != ApprovalState.APPROVED:
        raise Conflict(f"Approval #{number} is {row.get_state_display().lower()}, so nothing follows from it.")
    yes = {
        vote.voter for vote in row.votes.all() if vote.decision == "approve" and vote.binding_hash == row.binding_hash
    }
    if binding_hash(row.binding) != row.binding_hash or len(yes) < row.quorum:
        raise Conflict(f"Approval #{number} is not what people saw.")
    other = [name for name, value in facts.items() if name not in row.binding or row.binding[name] != value]
    if other or not facts:
        raise Conflict(f"Approval #{number} does not cover this: {', '.join(other) or 'nothing named'}.")
    return approval_view(row)
