"""The limit that an event promises to a strategy; a story has its own from the act that commits it."""

from decimal import Decimal

from governance.actions.limits import set_limit
from governance.events import BudgetLimitSet
from governance.scopes import ScopeKind, Window
from guildhall.evidence.selectors import done_since
from guildhall.kernel.actor import system_actor
from guildhall.kernel.consumers import Delivered


def give_limit(event: Delivered, kind: ScopeKind, scope_id: str, amount: Decimal) -> None:
    """Set the limit unless it was set since, by this event's first delivery or by hand: later words count."""
    subject = f"budget:{kind}:{scope_id}:{Window.TOTAL}"
    if not done_since(kinds=[BudgetLimitSet.kind], subject=subject, since=event.at):
        actor = system_actor("workflows", event.tenant)
        set_limit(actor=actor, kind=kind, scope_id=scope_id, window=Window.TOTAL, amount=amount)
