"""What a run asks people, on its page: with a field for the answer, or with the way to where all of it is read and decided."""

from typing import Any

from governance.policies.answers import LONGEST, QUESTION
from governance.policies.decisions import refuse_decider
from governance.selectors import approvals_visible_to
from gpu_workers.runs.guarded import KINDS
from gpu_workers.selectors import has_team_role
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied
from guildhall.portal.registry import Panel, register_panel


def question_panel(actor: Actor, number: int) -> dict[str, Any] | None:
    """What run `number` waits with; of a question in words also why `actor` cannot answer it ("" where they can)."""
    if not has_team_role(actor):
        return None
    waiting = approvals_visible_to(actor, state="pending", subjects=[f"run:{number}"])
    asked = next((one for one in waiting if one.kind in KINDS), None)
    if asked is None:
        return None
    words = asked.binding.get(QUESTION, "")
    if not words:
        return {"asked": asked, "words": ""}
    why_not = ""
    try:
        refuse_decider(actor, asked)
    except Denied as refusal:
        why_not = refusal.detail
    if any(vote.voter == actor.ref for vote in asked.votes):
        why_not = "You have answered this; others have not yet."
    return {"asked": asked, "words": words, "why_not": why_not, "longest": LONGEST}


def register() -> None:
    """Called once the apps are ready."""
    template = "gpu_workers/_question_panel.html"
    register_panel(Panel("run-question", "run.aside", template, 5, question_panel, "run:{0} approval:*"))
