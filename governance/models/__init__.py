from governance.models.approvals import Approval, ApprovalState, ApprovalVote
from governance.models.confidence import Assessment
from governance.models.holds import Hold
from governance.models.money import (
    BudgetCounter,
    BudgetLimit,
    CostKind,
    EntryKind,
    LedgerEntry,
    Reservation,
    ReservationState,
)
from governance.models.policy import DraftState, Policy, PolicyDraft
from governance.models.reconciliation import Difference, DifferenceKind, Reconciliation
from governance.models.release import ReleaseHold, ReleaseHoldKind
from governance.models.reputation import AgentStanding, ReputationEvent
from governance.models.starters import Starter
from governance.models.violations import Allowance, Violation

__all__ = [
    "AgentStanding",
    "Allowance",
    "Approval",
    "ApprovalState",
    "ApprovalVote",
    "Assessment",
    "BudgetCounter",
    "BudgetLimit",
    "CostKind",
    "Difference",
    "DifferenceKind",
    "DraftState",
    "EntryKind",
    "Hold",
    "LedgerEntry",
    "Policy",
    "PolicyDraft",
    "Reconciliation",
    "ReleaseHold",
    "ReleaseHoldKind",
    "ReputationEvent",
    "Reservation",
    "ReservationState",
    "Starter",
    "Violation",
]
