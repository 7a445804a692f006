"""Asking people, taking their answers, and keeping the receipt of what came of it."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from governance.autonomy import Risk
from governance.binding import binding_hash
from governance.events import ApprovalDecided, ApprovalRequested, ApprovalVoted
from governance.models import Approval, ApprovalState, ApprovalVote
from governance.models.approvals import ApprovalKind, VoteDecision
from governance.policies.answers import refuse_answer
from governance.policies.decisions import refuse_decider
from governance.selectors import active_policy
from governance.selectors.approvals import approval_view
from governance.views import ApprovalView
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict, Invalid, NotFound

MIN_FEEDBACK = 10


class _Asked(Exception):
    """The same question is waiting already."""


def request_approval(
    *,
    actor: Actor,
    kind: str,
    subject: str,
    title: str,
    binding: Mapping[str, Any],
    risk: Risk | str,
    summary: str = "",
    requester: str = "",
    excluded: Iterable[str] = (),
    eligible_roles: Iterable[str] | None = None,
    client: str = "",
) -> ApprovalView:
    """Ask people to decide on exactly `binding` (the policy's version is added to it).

    The same question while it waits gives the same approval. `requester` is whom the actor asks for (itself by
    default); it and `excluded` (references of authors, council voters) never decide. Roles, quorum and time
    limit are the policy's; a merge and a deployment need as many people as its `environment` asks for, too.
    Raises `Invalid`.
    """
    policy = active_policy()
    bound = {"policy_version": policy.version, **binding}
    roles = list(eligible_roles) if eligible_roles is not None else policy.document.deciders(kind)
    digest = _checked(kind, subject, title, bound, str(risk), roles)
    row = Approval(
        kind=kind,
        subject=subject,
        title=title.strip()[:200],
        summary=summary,
        binding=bound,
        binding_hash=digest,
        risk=str(risk),
        client=client,
        requester=requester or actor.ref,
        excluded=sorted({*excluded, requester or actor.ref, actor.ref}),
        eligible_roles=sorted(set(roles)),
        quorum=policy.document.approvers(kind, Risk(risk), str(bound.get("environment", ""))),
    )
    try:
        return approval_view(_request(actor=actor, asked=row, hours=policy.document.approvals.expires_hours))
    except _Asked:
        known = Approval.objects.filter(kind=kind, subject=subject, binding_hash=digest).order_by("-id").first()
        if known is None:
            raise Conflict("The same question is being asked at this moment; try again.") from None
        return approval_view(known)


def _checked(kind: str, subject: str, title: str, bound: Mapping[str, Any], risk: str, roles: list[str]) -> str:
    """The hash of what is bound, once all that is asked can be asked. Raises `Invalid`."""
    problems: dict[str, list[str]] = {}
    digest = ""
    if kind not in ApprovalKind.values:
        problems["kind"] = [f"Choose one of {', '.join(ApprovalKind.values)}."]
    if risk not in list(Risk):
        problems["risk"] = [f"Choose one of {', '.join(Risk)}."]
    if not title.strip():
        problems["title"] = ["Say what will happen."]
    if not subject:
        problems["subject"] = ["Name what this is about."]
    if not roles:
        problems["eligible_roles"] = ["Name at least one role that may decide."]
    try:
        digest = binding_hash(bound)
    except ValueError as error:
        problems["binding"] = [f"{error}."]
    if problems:
        raise Invalid("This cannot be asked.", fields=problems)
    return digest


@governed("approval.request", lock=None)
def _request(*, actor: Actor, asked: Approval, hours: int) -> Approval:
    waiting = Approval.objects.filter(
        kind=asked.kind, subject=asked.subject, binding_hash=asked.binding_hash, state=ApprovalState.PENDING
    )
    if waiting.exists():
        raise _Asked
    with connection.cursor() as cursor:
        cursor.execute("SELECT now() + make_interval(hours => %s)", [hours])
        row = cursor.fetchone()
    assert row is not None, "a SELECT without FROM gives one row"
    asked.expires_at = row[0]
    with taken_raises(_Asked()):
        asked.save(force_insert=True)
    asked.refresh_from_db()
    record(
        ApprovalRequested(
            subject=asked.ref,
            number=asked.pk,
            about=asked.subject,
            approval_kind=asked.kind,
            title=asked.title,
            risk=asked.risk,
            binding=asked.binding,
            binding_hash=asked.binding_hash,
            eligible_roles=asked.eligible_roles,
            quorum=asked.quorum,
        ),
        actor=actor,
        after={"state": asked.state},
    )
    return asked


def decide_approval(
    *, actor: Actor, approval: int, decision: str, binding_hash: str, feedback: str = ""
) -> ApprovalView:
    """Answer approval number `approval`: approve, changes or reject, for exactly what `binding_hash` stands for.

    To what an agent asked in words, `feedback` is the answer.
    Raises `NotFound`; `Invalid` (unknown decision, feedback shorter than 10 characters where it is needed, no answer); `Denied`
    (not a person, wrong role, requester, author, excluded); `Conflict` (decided, expired, void, voted already, or
    the hash is not of what would happen).
    """
    if decision not in VoteDecision.values:
        raise Invalid(
            "There is no such decision.", fields={"decision": [f"Choose one of {', '.join(VoteDecision.values)}."]}
        )
    feedback = feedback.strip()
    if decision != VoteDecision.APPROVE and len(feedback) < MIN_FEEDBACK:
        raise Invalid(
            "Say what should be different.",
            fields={"feedback": [f"Give at least {MIN_FEEDBACK} characters of feedback."]},
        )
    row = find(approval)
    return approval_view(_decide(actor=actor, approval=row, decision=decision, feedback=feedback, seen=binding_hash))


@governed("approval.decide", lock="approval")
def _decide(*, actor: Actor, approval: Approval, decision: str, feedback: str, seen: str) -> Approval:
    refuse_decider(actor, approval)
    _refuse_undecidable(approval, seen)
    refuse_answer(approval, decision, feedback)
    if approval.votes.filter(voter=actor.ref).exists():
        raise Conflict("You have answered this already.")
    ApprovalVote.objects.create(
        approval=approval,
        voter=actor.ref,
        voter_name=actor.name,
        decision=decision,
        feedback=feedback,
        binding_hash=seen,
    )
    yes = approval.votes.filter(decision=VoteDecision.APPROVE).count()
    if decision == VoteDecision.APPROVE and yes < approval.quorum:
        record(
            ApprovalVoted(
                subject=approval.ref, number=approval.pk, about=approval.subject, yes=yes, quorum=approval.quorum
            ),
            actor=actor,
        )
        return approval
    before = approval.state
    {"approve": approval.approve, "changes": approval.request_changes, "reject": approval.reject}[decision]()
    approval.decided_at = Now()
    approval.save(update_fields=["state", "decided_at"])
    approval.refresh_from_db()
    record(
        ApprovalDecided(
            subject=approval.ref,
            number=approval.pk,
            about=approval.subject,
            approval_kind=approval.kind,
            title=approval.title,
            decision=approval.state,
            feedback=feedback,
            binding=approval.binding,
            binding_hash=approval.binding_hash,
        ),
        actor=actor,
        before={"state": before},
        after={"state": approval.state},
        reason=feedback,
    )
    return approval


def _refuse_undecidable(approval: Approval, seen: str) -> None:
    if approval.state != ApprovalState.PENDING:
        why = f": {approval.state_reason}" if approval.state_reason else "."
        raise Conflict(f"Approval #{approval.pk} is {approval.get_state_display().lower()} already{why}")
    if is_due(approval):
        raise Conflict(f"Approval #{approval.pk} has expired; it has to be asked again.")
    if approval.binding_hash != binding_hash(approval.binding) or seen != approval.binding_hash:
        raise Conflict("What you looked at is not what would happen now. Load it again and look once more.")
    _refuse_other_policy(approval)


def _refuse_other_policy(approval: Approval) -> None:
    """People decide under the policy that they were shown; a newer one may ask for more, or for somebody else."""
    if approval.binding.get("policy_version") != active_policy().version:
        raise Conflict(
            f"The policy has changed since approval #{approval.pk} was asked;"
            " it is taken back, and asked anew where it is still needed."
        )


def is_due(approval: Approval) -> bool:
    """Whether the approval's time is over by the database's clock now (not the transaction's: it may have waited)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s <= clock_timestamp()", [approval.expires_at])
        (due,) = cursor.fetchone() or (False,)
    return bool(due)


def find(number: int) -> Approval:
    """The row of approval `number`. Raises `NotFound`."""
    row = Approval.objects.filter(pk=number).first()
    if row is None:
        raise NotFound(f"There is no approval #{number}.")
    return row
