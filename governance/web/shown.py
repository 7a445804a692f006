"""Approvals and money as pages show them."""

from collections.abc import Iterable
from dataclasses import dataclass

from governance.models.approvals import ApprovalKind, ApprovalState
from governance.views import ApprovalView
from guildhall.portal.registry import Party, parties

ICONS = {
    "merge": "git-branch",
    "deployment": "rocket",
    "scope": "checklist",
    "plan": "route",
    "agent_action": "robot",
    "budget_override": "coin",
    "policy_change": "gavel",
    "secret_access": "key",
    "blueprint_apply": "file-code",
}
TONES = {
    "pending": "t-wait",
    "approved": "t-run",
    "executed": "t-ok",
    "changes_requested": "t-wait",
    "rejected": "t-bad",
    "expired": "t-idle",
    "void": "t-idle",
}
RISK_TONES = {"low": "t-idle", "medium": "t-wait", "high": "t-bad"}


@dataclass(frozen=True, slots=True)
class ShownApproval:
    """An approval with everything a row or a head of it needs."""

    view: ApprovalView
    who: Party
    icon: str
    kind: str
    state: str
    tone: str
    risk_tone: str

    @property
    def url(self) -> str:
        return f"/approvals/{self.view.number}/"

    @property
    def summary(self) -> str:
        """The first line of what is said about it."""
        return self.view.summary.strip().split("\n", 1)[0]


def shown(views: Iterable[ApprovalView]) -> list[ShownApproval]:
    """These approvals, with one look-up of who asked."""
    listed = list(views)
    known = parties(view.requester for view in listed)
    return [
        ShownApproval(
            view=view,
            who=known[view.requester],
            icon=ICONS[view.kind],
            kind=ApprovalKind(view.kind).label,
            state=ApprovalState(view.state).label,
            tone=TONES[view.state],
            risk_tone=RISK_TONES[view.risk],
        )
        for view in listed
    ]
