"""Who may change where model calls go and what they cost."""

from guildhall.kernel.actions import ActionContext
from tenants.policies import check_owner

OWNER_ACTIONS = frozenset(
    {
        "deployment.add",
        "deployment.change",
        "route.add",
        "route.change",
        "route.remove",
        "price.add",
    }
)


def check_owner_actions(context: ActionContext) -> None:
    """Deployments, routes and prices are the platform's: its owners change them, and the platform itself."""
    if context.name in OWNER_ACTIONS:
        check_owner(context)
