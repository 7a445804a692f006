"""Who may change tenants: owners of the platform, and the platform itself."""

from guildhall.kernel.actions import ActionContext
from guildhall.kernel.actor import PLATFORM, ActorKind
from guildhall.kernel.errors import Denied

PLATFORM_ACTIONS = frozenset({"tenant.create", "tenant.open", "tenant.suspend", "tenant.resume"})


def check_platform_actions(context: ActionContext) -> None:
    """Tenants are made, suspended and resumed by owners or by the platform, never from inside a tenant."""
    if context.name not in PLATFORM_ACTIONS:
        return
    if context.actor.tenant != PLATFORM or context.actor.kind not in (ActorKind.OWNER, ActorKind.SYSTEM):
        raise Denied("Only an owner of the platform may do this.")
