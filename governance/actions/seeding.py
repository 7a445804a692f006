"""What governance gives a new tenant: the shipped policy and its limits."""

from pathlib import Path

from governance.actions.limits import set_limit
from governance.actions.policy import found_policy
from governance.models import BudgetLimit, Policy
from governance.policies.document_text import parse_policy
from guildhall.kernel.actor import system_actor

DEFAULT = Path(__file__).parents[1] / "policies" / "default.yaml"


def seed_governance(schema: str) -> None:
    """Load the shipped policy and set its budgets where there are none. Runs in the tenant's scope; safe to repeat."""
    actor = system_actor("provisioner", schema)
    text = DEFAULT.read_text(encoding="utf-8")
    if not Policy.objects.exists():
        found_policy(actor=actor, text=text)
    for budget in parse_policy(text).budgets:
        if not BudgetLimit.objects.filter(scope_kind=budget.scope, scope_id="", window=budget.window).exists():
            set_limit(actor=actor, kind=budget.scope, scope_id="", window=budget.window, amount=budget.usd)
