"""Decisions: what, why, instead of what; product owners approve, reject and supersede them."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from django.db.models.functions import Now

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid
from guildhall.kernel.versions import check_version
from workflows.actions.common import named, shown
from workflows.actions.plan_common import Problems, in_state, keep
from workflows.events import DecisionMade
from workflows.machines import FEEDBACK_MIN
from workflows.models import Decision
from workflows.models.planning import DecisionKind
from workflows.plan_events import DecisionEdited, DecisionSuperseded
from workflows.ports import unknown_references

TEXT_LIMIT = 20_000
MOST_ALTERNATIVES = 20
MOST_AFFECTED = 50

Alternative = str | Mapping[str, str]
"""A title, or `title` and `why_not`."""


class DecisionChange(TypedDict, total=False):
    """What may be changed of a decision that nobody has decided yet."""

    title: str
    rationale: str
    alternatives: Sequence[Alternative]
    affects: Sequence[str]


@governed("decision.propose", lock=None)
def propose_decision(
    *,
    actor: Actor,
    kind: str,
    title: str,
    rationale: str,
    alternatives: Sequence[Alternative] = (),
    affects: Sequence[str] = (),
) -> Decision:
    """Write a decision down, linked to what it affects (references such as `story:SHOP-142`, `council:7`, `run:318`).

    Raises `Invalid` with the fields; what it affects has to exist.
    """
    if kind not in DecisionKind.values:
        problem = f"Choose one of {', '.join(DecisionKind.values)}."
        raise Invalid("The decision cannot be written like this.", fields={"kind": [problem]})
    values: dict[str, Any] = {
        "title": title,
        "rationale": rationale,
        "alternatives": alternatives,
        "affects": affects,
    }
    _check(values)
    decision = Decision.objects.create(kind=kind, proposed_by=actor.ref, proposed_by_name=shown(actor), **values)
    record(_event(decision), actor=actor)
    return decision


@governed("decision.edit", lock="decision")
def edit_decision(*, actor: Actor, decision: Decision, change: DecisionChange, version: int | None = None) -> Decision:
    """Change a proposal, by whoever made it or a product owner.

    Raises `Denied`, `Stale`, `Conflict` when it is decided, `Invalid` with the fields.
    """
    check_version(decision, version)
    in_state("decision", decision.verdict, "edit")
    if actor.ref != decision.proposed_by and not actor.has_role("product_owner"):
        raise Denied("A proposal is changed by whoever made it, or by a product owner.")
    values: dict[str, Any] = dict(change)
    if not values:
        raise Invalid("Nothing is to change.", fields={"decision": ["Say what is to change."]})
    _check(values)
    before = named(decision, *values)
    for field, value in values.items():
        setattr(decision, field, value)
    keep(decision, *values)
    event = DecisionEdited(subject=decision.ref, title=decision.title, fields=sorted(values))
    record(event, actor=actor, before=before, after=named(decision, *values))
    return decision


@governed("decision.decide", lock="decision")
def decide(
    *, actor: Actor, decision: Decision, approve: bool, feedback: str = "", version: int | None = None
) -> Decision:
    """Approve or, with feedback, reject a proposed decision. Raises `Conflict` when that has been done, `Stale`."""
    check_version(decision, version)
    if decision.verdict != "proposed":
        raise Conflict(f"This was {decision.verdict} already.")
    if not approve and len(feedback.strip()) < FEEDBACK_MIN:
        problem = f"Say why in at least {FEEDBACK_MIN} characters."
        raise Invalid(problem, fields={"feedback": [problem]})
    decision.verdict, decision.feedback = ("approved" if approve else "rejected"), feedback.strip()
    decision.decided_by, decision.decided_by_name = actor.ref, shown(actor)
    decision.decided_at = Now()
    keep(decision, "verdict", "feedback", "decided_by", "decided_by_name", "decided_at")
    record(_event(decision), actor=actor, reason=decision.feedback)
    return decision


@governed("decision.supersede", lock="decision")
def supersede_decision(*, actor: Actor, decision: Decision, by: Decision, version: int | None = None) -> Decision:
    """Say that another approved decision stands in the place of this one.

    Raises `Stale`, `Conflict` when this one is not in force, `Invalid` when the other is not, or comes from this one.
    """
    check_version(decision, version)
    in_state("decision", decision.verdict, "supersede")
    if decision.superseded_by_id is not None:
        raise Conflict(f"Decision {decision.superseded_by_id} has taken its place already.")
    successor = Decision.objects.select_for_update().get(pk=by.pk)
    problems = Problems("It cannot be superseded by this.")
    if successor.pk <= decision.pk:
        # Later rows only: so no two can ever stand in each other's place, and rows are locked in one order.
        problems.add("by", "Choose a decision that was written after this one.")
    elif successor.verdict != "approved" or successor.superseded_by_id is not None:
        problems.add("by", "Choose a decision that is approved and in force.")
    problems.refuse()
    decision.superseded_by = successor
    keep(decision, "superseded_by")
    event = DecisionSuperseded(subject=decision.ref, title=decision.title, by=successor.pk, by_title=successor.title)
    record(event, actor=actor, after={"superseded_by": successor.pk})
    return decision


def _check(values: dict[str, Any]) -> None:
    problems = Problems("The decision cannot be written like this.")
    problems.text(values, "title", 200, required="Say it.")
    problems.text(values, "rationale", TEXT_LIMIT, required="Say it.")
    if "alternatives" in values:
        values["alternatives"] = _alternatives(values["alternatives"], problems)
    if "affects" in values:
        values["affects"] = list(dict.fromkeys(values["affects"]))
        if len(values["affects"]) > MOST_AFFECTED:
            problems.add("affects", f"At most {MOST_AFFECTED}.")
        elif strange := unknown_references(values["affects"]):
            problems.add("affects", f"Not here: {', '.join(strange)[:300]}.")
    problems.refuse()


def _alternatives(given: Sequence[Alternative], problems: Problems) -> list[dict[str, str]]:
    found = []
    for one in given:
        title, why_not = (one, "") if isinstance(one, str) else (one.get("title", ""), one.get("why_not", ""))
        found.append({"title": title.strip(), "why_not": why_not.strip()})
    if len(found) > MOST_ALTERNATIVES:
        problems.add("alternatives", f"At most {MOST_ALTERNATIVES}.")
    if any(not one["title"] or len(one["title"]) > 2000 or len(one["why_not"]) > 5000 for one in found):
        problems.add(
            "alternatives", "Each has a title of up to 2000 characters, and up to 5000 on why it was not taken."
        )
    return found


def _event(decision: Decision) -> DecisionMade:
    return DecisionMade(
        subject=decision.ref,
        decision_kind=decision.kind,
        title=decision.title,
        verdict=decision.verdict,
        affects=decision.affects,
    )
