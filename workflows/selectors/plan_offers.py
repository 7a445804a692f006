"""What an actor may do with a strategy, an epic, a sprint or a decision now, and why not the rest."""

from guildhall.kernel.actor import Actor
from workflows.machines import Offer
from workflows.models import Decision, Epic, Sprint, Strategy
from workflows.plan_acts import PLAN_ACTS, offers
from workflows.policies import GRANTS
from workflows.selectors.facts import who_is
from workflows.selectors.planned import open_stories_of

ACTION_OF = {"decision.approve": "decision.decide", "decision.reject": "decision.decide"}
"""Acts that share one governed action with others."""

PlanRow = Strategy | Epic | Sprint | Decision


def kind_of(row: PlanRow) -> str:
    """The row's kind, as references and the table of acts call it."""
    return row._meta.model_name or ""


def state_of(row: PlanRow) -> str:
    """The state that the table of acts goes by."""
    return str(row.verdict if isinstance(row, Decision) else row.state)


def plan_offers(actor: Actor, row: PlanRow) -> list[Offer]:
    """Every act of the row's kind, each with the reasons against it."""
    kind = kind_of(row)
    granted = {act.name: GRANTS[ACTION_OF.get(f"{kind}.{act.name}", f"{kind}.{act.name}")] for act in PLAN_ACTS[kind]}
    return offers(kind, state_of(row), who_is(actor), granted, _against(actor, row))


def may(actor: Actor, row: PlanRow) -> dict[str, bool]:
    """Which acts are allowed, by name."""
    return {offer.action: offer.allowed for offer in plan_offers(actor, row)}


def _against(actor: Actor, row: PlanRow) -> dict[str, str]:
    if isinstance(row, Epic) and row.state == "open" and (unfinished := open_stories_of(row)):
        return {"close": f"Not finished yet: {', '.join(unfinished[:10])}."}
    if isinstance(row, Decision):
        against = {}
        if actor.ref != row.proposed_by and not actor.has_role("product_owner"):
            against["edit"] = "A proposal is changed by whoever made it, or by a product owner."
        if row.superseded_by_id is not None:
            against["supersede"] = f"Decision {row.superseded_by_id} has taken its place already."
        return against
    return {}
