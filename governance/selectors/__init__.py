"""What other rooms may ask governance. All run in a tenant's scope and return plain values."""

from governance.selectors.approvals import (
    approval,
    approvals_visible_to,
    approved_for,
    latest_approval,
    pending_for,
)
from governance.selectors.autonomy import decide_for
from governance.selectors.holds import find_hold, hold_view, is_held
from governance.selectors.money import (
    budgets,
    counted_in,
    entries_of,
    limits,
    reservation_ref,
    spend_by,
    spend_by_day,
    spend_of,
    spend_of_each,
    spend_per_hour,
    total_spent,
)
from governance.selectors.policy import ActivePolicy, active_policy
from governance.selectors.reconciliation import difference, differences, reconciliations
from governance.selectors.reputation import replayed_score, reputation_history, standing_of, standings

__all__ = [
    "ActivePolicy",
    "active_policy",
    "approval",
    "approvals_visible_to",
    "approved_for",
    "budgets",
    "counted_in",
    "decide_for",
    "difference",
    "differences",
    "entries_of",
    "find_hold",
    "hold_view",
    "is_held",
    "latest_approval",
    "limits",
    "pending_for",
    "reconciliations",
    "replayed_score",
    "reputation_history",
    "reservation_ref",
    "spend_by",
    "spend_by_day",
    "spend_of",
    "spend_of_each",
    "spend_per_hour",
    "standing_of",
    "standings",
    "total_spent",
]
