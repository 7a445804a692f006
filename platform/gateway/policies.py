"""Who may change where model calls go and what they cost, and who may stop all of them."""

from guildhall.kernel.actions import ActionContext
from tenants.policies import check_owner

OWNER_ACTIONS = frozenset(
    {
        "deployment.add",
        "deployment.change",
        "deployment.read_key",
        "route.add",
        "route.change",
        "route.remove",
        "price.add",
        "platform.hold",
        "platform.release",
    }
)


def check_owner_actions(context: ActionContext) -> None:
    """Deployments, routes, prices and the hold over all are the platform's: its owners change them, and it does."""
    if context.name in OWNER_ACTIONS:
        check_owner(context)
