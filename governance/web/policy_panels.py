"""What the policy and confidence bring to other pages: what a policy change is about, and how sure an agent was."""

import json
from dataclasses import dataclass
from typing import Any

from governance.confidence import WEIGHTS, Component, percent
from governance.models import PolicyDraft
from governance.selectors.confidence import AssessmentView, latest_assessment
from governance.views import ApprovalView
from governance.web.panels import is_team
from governance.web.policy_shown import shown_draft
from guildhall.kernel.actor import Actor
from guildhall.portal.registry import Panel, register_address, register_panel

NAMES = {
    Component.CI: "CI",
    Component.SUPPORT: "Support in the evidence",
    Component.RISK: "Policy risk",
    Component.COUNCIL: "Council agreement",
    Component.LOGPROB: "The model’s own certainty",
}


@dataclass(frozen=True, slots=True)
class ShownPart:
    """One component: its name, its share in words, or that nothing is known, and its weight."""

    name: str
    share: str
    weight: str


def policy_panel(actor: Actor, view: ApprovalView) -> dict[str, Any] | None:
    """The diff that a policy change is about, where it still is about that."""
    if not is_team(actor):
        return None
    draft = PolicyDraft.objects.filter(pk=int(view.binding.get("draft", 0))).first()
    if draft is None:
        return None
    same = draft.digest == view.binding.get("text_digest")
    return {"draft": draft, "shown": shown_draft(draft) if same and view.state == "pending" else None, "same": same}


def merge_confidence(actor: Actor, view: ApprovalView) -> dict[str, Any] | None:
    """How sure the author was of the commit that is to be merged."""
    return _shown(actor, latest_assessment(subject=view.subject, key=str(view.binding.get("commit_sha", "-"))))


def call_confidence(actor: Actor, view: ApprovalView) -> dict[str, Any] | None:
    """How sure an agent is of the very call that it asks for."""
    call = json.loads(str(view.binding.get("call", "{}")))
    proposed = call["arguments"].get("head_sha") if call.get("tool") == "open_change_request" else ""
    return _shown(actor, latest_assessment(run=view.subject, key=str(proposed or view.binding.get("step", "-"))))


def task_confidence(actor: Actor, reference: str) -> dict[str, Any] | None:
    """How sure an agent was of its newest change of a task."""
    return _shown(actor, latest_assessment(subject=f"task:{reference}"))


def run_confidence(actor: Actor, number: int) -> dict[str, Any] | None:
    """How sure an agent was of what its run was about to do."""
    return _shown(actor, latest_assessment(run=f"run:{number}"))


def _shown(actor: Actor, found: AssessmentView | None) -> dict[str, Any] | None:
    if found is None or not is_team(actor):
        return None
    parts = [
        ShownPart(
            NAMES[part],
            percent(found.components[part]) if part in found.components else "not known",
            percent(weight),
        )
        for part, weight in WEIGHTS.items()
    ]
    return {"found": found, "parts": parts}


def register() -> None:
    """Called once the apps are ready."""
    card, part = "governance/_policy_confidence_card.html", "governance/_policy_confidence.html"
    for panel in (
        Panel("policy-change", "approval.policy_change", "governance/_policy_change.html", 10, policy_panel, ""),
        Panel("merge-confidence", "approval.merge", part, 5, merge_confidence, ""),
        Panel("call-confidence", "approval.agent_action", part, 5, call_confidence, ""),
        Panel("secret-confidence", "approval.secret_access", part, 5, call_confidence, ""),
        Panel("task-confidence", "task.main", card, 15, task_confidence, "task:{}"),
        Panel("run-confidence", "run.aside", card, 10, run_confidence, "run:{}"),
    ):
        register_panel(panel)
    register_address("policy_draft", lambda number: f"/settings/policies/drafts/{number}/")
    register_address("policy", lambda number: f"/settings/policies/versions/{number}/")
