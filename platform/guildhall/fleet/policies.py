"""Who may stop workers and queues: the platform's owners, and the platform itself."""

from guildhall.kernel.actions import ActionContext
from tenants.policies import check_owner

FLEET_ACTIONS = frozenset({"fleet.drain", "fleet.pause", "fleet.resume"})


def check_fleet_action(context: ActionContext) -> None:
    """Registered with the kernel. Workers serve every organisation, so nobody of one stops them."""
    if context.name.startswith("fleet."):
        check_owner(context)
