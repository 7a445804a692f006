"""A proposal for the policy as pages and the API show it."""

from dataclasses import dataclass
from typing import Any

from governance.models import PolicyDraft
from governance.policies.change import loosened, risk_of_change
from governance.policies.document_text import parse_policy
from governance.recorded import RecordedKind
from governance.selectors import active_policy, latest_approval
from governance.selectors.policy import DiffLine, diff_lines
from governance.simulation import NOT_SIMULATED, Simulation
from governance.views import ApprovalView

LABELS = {
    RecordedKind.TOOL_CALL: "Tool calls",
    RecordedKind.CHANGE: "Change requests",
    RecordedKind.RUN: "Runs",
    RecordedKind.MODEL_CALL: "Model calls",
    RecordedKind.APPROVAL: "Approvals",
}


@dataclass(frozen=True, slots=True)
class ShownDraft:
    """A draft against the policy in force. For one that is in force or was, nothing is compared."""

    draft: PolicyDraft
    diff: list[DiffLine]
    loosens: list[str]
    risk: str
    asked: ApprovalView | None


def shown_draft(draft: PolicyDraft) -> ShownDraft:
    active, document = active_policy(), parse_policy(draft.text)
    return ShownDraft(
        draft=draft,
        diff=diff_lines(active.text, draft.text),
        loosens=loosened(active.document, document),
        risk=str(risk_of_change(active.document, document)),
        asked=latest_approval(draft.ref),
    )


def simulated(found: Simulation) -> dict[str, Any]:
    """A simulation as plain values."""
    return {
        "number": found.number,
        "since": found.since,
        "blocked": found.blocked,
        "asked": found.asked,
        "changed": found.changed,
        "cut": found.cut,
        "not_simulated": list(NOT_SIMULATED),
        "kinds": [{"kind": str(kind), "label": LABELS[kind], **row} for kind, row in found.counted.items()],
        "differences": [
            {
                "at": one.action.at,
                "kind": str(one.action.kind),
                "ref": one.action.ref,
                "title": one.action.title,
                "before": str(one.before.verdict),
                "after": str(one.after.verdict),
                "reason": one.after.reason or one.before.reason,
                "stricter": one.stricter,
            }
            for one in found.differences
        ],
    }
