from governance.models.approvals import Approval, ApprovalState, ApprovalVote
from governance.models.holds import Hold
from governance.models.money import BudgetCounter, BudgetLimit, EntryKind, LedgerEntry, Reservation, ReservationState
from governance.models.policy import Policy
from governance.models.release import ReleaseHold, ReleaseHoldKind
from governance.models.reputation import AgentStanding, ReputationEvent

__all__ = [
    "AgentStanding",
    "Approval",
    "ApprovalState",
    "ApprovalVote",
    "BudgetCounter",
    "BudgetLimit",
    "EntryKind",
    "Hold",
    "LedgerEntry",
    "Policy",
    "ReleaseHold",
    "ReleaseHoldKind",
    "ReputationEvent",
    "Reservation",
    "ReservationState",
]
