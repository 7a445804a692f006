"""Decisions: what, why, instead of what; product owners approve or reject them."""

from collections.abc import Mapping, Sequence

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from workflows.actions.common import shown
from workflows.events import DecisionMade
from workflows.machines import FEEDBACK_MIN
from workflows.models import Decision
from workflows.models.planning import DecisionKind


@governed("decision.propose", lock=None)
def propose_decision(
    *,
    actor: Actor,
    kind: str,
    title: str,
    rationale: str,
    alternatives: Sequence[str | Mapping[str, str]] = (),
    affects: Sequence[str] = (),
) -> Decision:
    """Write a decision down, linked to what it affects (plain references).

    `alternatives` are titles, or mappings of `title` and `why_not`. Raises `Invalid` with the fields.
    """
    fields: dict[str, list[str]] = {}
    if kind not in DecisionKind.values:
        fields["kind"] = [f"Choose one of {', '.join(DecisionKind.values)}."]
    for name, text in (("title", title), ("rationale", rationale)):
        if not text.strip():
            fields[name] = ["Say it."]
    if fields:
        raise Invalid("The decision cannot be written like this.", fields=fields)
    decision = Decision.objects.create(
        kind=kind,
        title=title.strip()[:200],
        rationale=rationale.strip(),
        alternatives=[_alternative(given) for given in alternatives],
        affects=list(affects),
        proposed_by=actor.ref,
        proposed_by_name=shown(actor),
    )
    record(_event(decision), actor=actor)
    return decision


@governed("decision.decide", lock="decision")
def decide(*, actor: Actor, decision: Decision, approve: bool, feedback: str = "") -> Decision:
    """Approve or, with feedback, reject a proposed decision. Raises `Conflict` when that has been done."""
    if decision.verdict != "proposed":
        raise Conflict(f"This was {decision.verdict} already.")
    if not approve and len(feedback.strip()) < FEEDBACK_MIN:
        problem = f"Say why in at least {FEEDBACK_MIN} characters."
        raise Invalid(problem, fields={"feedback": [problem]})
    decision.verdict, decision.feedback = ("approved" if approve else "rejected"), feedback.strip()
    decision.decided_by, decision.decided_by_name = actor.ref, shown(actor)
    decision.save(update_fields=["verdict", "feedback", "decided_by", "decided_by_name"])
    record(_event(decision), actor=actor, reason=decision.feedback)
    return decision


def _alternative(given: str | Mapping[str, str]) -> dict[str, str]:
    if isinstance(given, str):
        return {"title": given.strip(), "why_not": ""}
    return {"title": given["title"].strip(), "why_not": given.get("why_not", "").strip()}


def _event(decision: Decision) -> DecisionMade:
    return DecisionMade(
        subject=decision.ref,
        decision_kind=decision.kind,
        title=decision.title,
        verdict=decision.verdict,
        affects=decision.affects,
    )
