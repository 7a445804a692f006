"""Who acts: a person, an agent, a part of the platform, or the platform's owner."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

PLATFORM = "guildhall_platform"
"""The reserved tenant (and database role) of rows that belong to the platform itself."""


class ActorKind(StrEnum):
    PERSON = "person"
    AGENT = "agent"
    SYSTEM = "system"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Actor:
    """One acting party in one tenant.

    `id` is unique within its kind (a person's public id, an agent's name, a system part's name); `roles` are the tenant
    roles held (agents hold exactly one); `scopes` are an API key's scopes, None for an interactive sign-in; `client` is
    the reference of the tenant's client that a `client` member belongs to; `via` is the door used, and `key` the number of
    the API key where that was the door.
    """

    kind: ActorKind
    id: str
    name: str
    tenant: str
    roles: frozenset[str] = field(default_factory=frozenset)
    scopes: frozenset[str] | None = None
    client: str | None = None
    via: str = "system"
    key: str = ""
    address: str = ""

    @property
    def ref(self) -> str:
        """A plain reference that rows and events store, such as `person:12` or `agent:mason`."""
        return f"{self.kind}:{self.id}"

    @property
    def is_person(self) -> bool:
        return self.kind in (ActorKind.PERSON, ActorKind.OWNER)

    def has_role(self, *roles: str) -> bool:
        """Whether the actor holds at least one of `roles`."""
        return not self.roles.isdisjoint(roles)

    def through(self, via: str) -> "Actor":
        """The same actor, acting through another door."""
        return replace(self, via=via)

    def as_dict(self) -> dict[str, Any]:
        """What an event tells its consumers about the actor."""
        return {"ref": self.ref, "kind": str(self.kind), "id": self.id, "name": self.name, "roles": sorted(self.roles)}


def system_actor(name: str, tenant: str) -> Actor:
    """A part of the platform acting in `tenant`; it has its own grants and no others."""
    return Actor(kind=ActorKind.SYSTEM, id=name, name=name, tenant=tenant, roles=frozenset({"system"}))
