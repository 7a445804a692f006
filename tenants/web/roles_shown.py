"""Roles as pages show them: their words, what they are for, and which of them somebody may tick."""

from collections.abc import Collection
from dataclasses import dataclass

from guildhall.kernel.actor import Actor
from tenants.policies import ONLOOKERS, grantable_scopes, manages_all
from tenants.roles import CLIENT, SCOPES

ROLE_WORDS = {
    "admin": ("Admin", "Members, keys, limits and policies"),
    "product_owner": ("Product owner", "Scope, merges and budgets"),
    "architect": ("Architect", "Plans and reviews of code"),
    "developer": ("Developer", "Implements tasks"),
    "qa": ("QA", "Tests what was implemented"),
    "devops": ("DevOps", "Deliveries, and pausing agents"),
    "data": ("Data", "Work on data"),
    "viewer": ("Viewer", "Looks on"),
    CLIENT: ("Client", "Sees what is shared with one client, and holds no other role"),
}
SCOPE_WORDS = {
    "api:read": ("Read", "Everything that you may see, over the REST API"),
    "api:write": ("Change", "Everything that you may do, over the REST API"),
    "llm": ("Models", "Call models through the gateway, on budget"),
    "mcp": ("Tools", "Use tools over MCP"),
    "chatops": ("Chat", "Commands from chat"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One box to tick. One that is not open keeps the value that it has."""

    key: str
    label: str
    hint: str
    ticked: bool
    open: bool


def role_label(role: str) -> str:
    """A role as people say it."""
    return ROLE_WORDS[role][0]


def role_choices(
    actor: Actor, ticked: Collection[str], held: Collection[str] = (), *, own: bool = False
) -> list[Choice]:
    """Every role: open are those that `actor` may give, or take from somebody who holds `held` (`own`: themselves)."""
    gives = may_give(actor)
    return [
        Choice(
            role,
            label,
            hint,
            role in ticked,
            manages_all(actor) or (own if role in held else gives and role in actor.roles),
        )
        for role, (label, hint) in ROLE_WORDS.items()
    ]


def scope_choices(actor: Actor, ticked: Collection[str]) -> list[Choice]:
    """The scopes that `actor` can give to a key."""
    mine = grantable_scopes(actor)
    return [
        Choice(scope, *SCOPE_WORDS[scope], scope in ticked, True) for scope in SCOPE_WORDS if scope in mine & SCOPES
    ]


def may_give(actor: Actor) -> bool:
    """Whether `actor` can give any role to anybody."""
    return manages_all(actor) or bool(actor.roles - ONLOOKERS)
