"""Who may change tenants, memberships and keys, and how much each may hand on."""

from collections.abc import Iterable

from guildhall.kernel.actions import ActionContext
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.errors import Denied, Invalid
from tenants.roles import ADMIN, CLIENT, ROLES, SCOPES

OWNERS = frozenset({ActorKind.OWNER, ActorKind.SYSTEM})
PEOPLE = frozenset({ActorKind.PERSON, ActorKind.SYSTEM})
THEMSELVES = frozenset({ActorKind.PERSON, ActorKind.OWNER})
SYSTEM = frozenset({ActorKind.SYSTEM})

PLATFORM_ACTIONS = frozenset(
    {
        "tenant.create",
        "tenant.open",
        "tenant.suspend",
        "tenant.resume",
        "tenant.set_plan",
        "tenant.archive",
        "tenant.seal_export",
        "tenant.close_archive",
        "tenant.purge_export",
        "tenant.read_figures",
        "tenant.read_governance",
        "support.open",
        "support.end",
        "support.look",
        "domain.add",
        "domain.remove",
        "account.deactivate",
        "account.reactivate",
        "account.make_owner",
        "account.remove_owner",
    }
)
"""Tenants, their hosts and accounts are the business of owners or of the platform, never of a tenant's people."""

STEPS = frozenset({"tenant.seal_export", "tenant.close_archive", "tenant.purge_export"})
"""Of these, what the platform does by itself once it was ordered: no owner does them by hand."""

PEOPLE_ACTIONS = frozenset(
    {
        "member.invite",
        "member.resend_invitation",
        "member.withdraw_invitation",
        "member.change_roles",
        "member.remove",
        "api_key.create",
        "api_key.revoke",
    }
)
"""What people and the platform do; agents never manage people or credentials."""

OF_ONESELF: dict[str, frozenset[ActorKind]] = {
    "support.tell": frozenset({ActorKind.OWNER}),  # who holds leave to look; what the organisation reads of it
    "account.create": THEMSELVES,  # whoever holds an invitation's secret
    "account.change_password": THEMSELVES,  # with the present password
    "account.reset_password": THEMSELVES,  # whoever holds the link that went to the account's address
    "account.enable_second_factor": THEMSELVES,  # with a code of it
    "account.disable_second_factor": THEMSELVES,  # with a code of it
    "account.renew_recovery_codes": THEMSELVES,  # with a code of it
    "account.read_second_factor": THEMSELVES,  # what is written down when it is shown to them, or a wrong code came
    "member.accept_invitation": THEMSELVES,  # whoever holds the invitation's secret
    "session.end": THEMSELVES,  # one's own alone: the action looks
    "session.end_all": THEMSELVES,  # one's own
    "session.end_token_family": SYSTEM,  # a refresh token that was used twice, or given back by its holder
    "sign_in.enter": THEMSELVES,  # with what sign-in asked for
    "sign_in.leave": THEMSELVES,  # one's own session
    "sign_in.hand_on": THEMSELVES,  # from one's own session
    "sign_in.lock": SYSTEM,  # what sign-in writes down when it locks
}
"""Actions that are no role's: who may is proven another way, named here. The value is who can have such a proof."""

PREFIXES = ("support.", "tenant.", "domain.", "account.", "member.", "api_key.", "session.", "sign_in.")

ONLOOKERS = frozenset({"viewer", CLIENT})
"""Roles that look on: they invite nobody, and their keys open the REST API alone."""


def check_identity_action(context: ActionContext) -> None:
    """Registered with the kernel. An action of this room that nobody is named for is nobody's."""
    if not context.name.startswith(PREFIXES):
        return
    kind = context.actor.kind
    if context.name in PLATFORM_ACTIONS:
        check_owner(context)
    elif context.name in PEOPLE_ACTIONS:
        if kind not in PEOPLE:
            raise Denied("Only people may manage members and keys.")
    elif kind not in OF_ONESELF.get(context.name, ()):
        raise Denied(f"{context.name} is not for a {kind}.")


def check_owner(context: ActionContext) -> None:
    """Raises `Denied` unless an owner or the platform itself acts, on the platform."""
    if context.actor.tenant != PLATFORM or context.actor.kind not in OWNERS:
        raise Denied("Only an owner of the platform may do this.")
    if context.name in STEPS and context.actor.kind != ActorKind.SYSTEM:
        raise Denied("The platform does this by itself.")


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
