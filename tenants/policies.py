"""Who may change tenants, memberships and keys, and how much each may hand on."""

from collections.abc import Iterable

from guildhall.kernel.actions import ActionContext
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.errors import Denied, Invalid
from tenants.roles import ADMIN, CLIENT, ROLES, SCOPES

PLATFORM_ACTIONS = frozenset(
    {
        "tenant.create",
        "tenant.open",
        "tenant.suspend",
        "tenant.resume",
        "domain.add",
        "domain.remove",
        "account.deactivate",
        "account.reactivate",
        "account.make_owner",
        "account.remove_owner",
    }
)
PEOPLE_ACTIONS = frozenset(
    {
        "member.invite",
        "member.withdraw_invitation",
        "member.change_roles",
        "member.remove",
        "api_key.create",
        "api_key.revoke",
    }
)
"""What people and the platform do; agents never manage people or credentials."""

ONLOOKERS = frozenset({"viewer", CLIENT})
"""Roles that look on: they invite nobody, and their keys open the REST API alone."""


def check_platform_actions(context: ActionContext) -> None:
    """Tenants, their hosts and accounts are the business of owners or of the platform, never of a tenant's people."""
    if context.name in PLATFORM_ACTIONS:
        check_owner(context)


def check_owner(context: ActionContext) -> None:
    """Raises `Denied` unless an owner or the platform itself acts, on the platform."""
    if context.actor.tenant != PLATFORM or context.actor.kind not in (ActorKind.OWNER, ActorKind.SYSTEM):
        raise Denied("Only an owner of the platform may do this.")


def check_people_actions(context: ActionContext) -> None:
    """Members and keys are managed by people, or by the platform itself."""
    if context.name in PEOPLE_ACTIONS and context.actor.kind not in (ActorKind.PERSON, ActorKind.SYSTEM):
        raise Denied("Only people may manage members and keys.")


def manages_all(actor: Actor) -> bool:
    """Admins, and the platform when it sets a tenant up."""
    return actor.has_role(ADMIN) or actor.kind == ActorKind.SYSTEM


def validate_roles(roles: Iterable[str], client: str) -> list[str]:
    """The roles as they are stored: sorted, each once. Raises `Invalid`."""
    wanted = sorted(set(roles))
    unknown = sorted(set(wanted) - ROLES)
    if not wanted or unknown:
        problem = f"Unknown: {', '.join(unknown)}." if unknown else "Give at least one."
        raise Invalid(
            "The roles were not accepted.",
            fields={"roles": [f"{problem} A member can be {', '.join(sorted(ROLES))}."]},
        )
    if CLIENT in wanted and (len(wanted) > 1 or not client):
        raise Invalid(
            "The roles were not accepted.",
            fields={"roles": ["A client holds no other role and belongs to one client, named in `client`."]},
        )
    if client and CLIENT not in wanted:
        raise Invalid("The roles were not accepted.", fields={"client": ["Only the role client has one."]})
    return wanted


def check_grant(actor: Actor, roles: Iterable[str]) -> None:
    """Raises `Denied` when `actor` would hand on a role that they do not hold."""
    if manages_all(actor):
        return
    if not actor.roles - ONLOOKERS:
        raise Denied("Viewers and clients cannot give roles to anybody.")
    missing = sorted(set(roles) - actor.roles)
    if missing:
        raise Denied(f"You can only give roles that you hold; you do not hold {', '.join(missing)}.")


def role_scopes(roles: frozenset[str]) -> frozenset[str]:
    """The doors that any credential of somebody with `roles` can open."""
    return SCOPES if roles - ONLOOKERS else frozenset({"api:read", "api:write"})


def grantable_scopes(actor: Actor) -> frozenset[str]:
    """The scopes that `actor` can give to a key: at most those of their roles and of the credential in use."""
    held = SCOPES if manages_all(actor) else role_scopes(actor.roles)
    return held if actor.scopes is None else held & actor.scopes


def check_scopes(actor: Actor, scopes: Iterable[str]) -> list[str]:
    """The scopes of a new key, sorted. Raises `Invalid` or `Denied`."""
    wanted = sorted(set(scopes))
    unknown = sorted(set(wanted) - SCOPES)
    if not wanted or unknown:
        problem = f"Unknown: {', '.join(unknown)}." if unknown else "Give at least one."
        raise Invalid(
            "The scopes were not accepted.",
            fields={"scopes": [f"{problem} A key can have {', '.join(sorted(SCOPES))}."]},
        )
    missing = sorted(set(wanted) - grantable_scopes(actor))
    if missing:
        raise Denied(f"You cannot give a key more than you hold; you do not hold {', '.join(missing)}.")
    return wanted
