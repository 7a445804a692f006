"""What a budget can be set for, and for how long. Pure; no Django."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class ScopeKind(StrEnum):
    TENANT = "tenant"
    PROJECT = "project"
    STRATEGY = "strategy"
    STORY = "story"
    TASK = "task"
    RUN = "run"
    API_KEY = "api_key"
    AGENT = "agent"


class Window(StrEnum):
    """Calendar windows in UTC; `total` never ends."""

    HOUR = "hour"
    DAY = "day"
    TOTAL = "total"


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scope:
    """One thing that spends, such as task `SHOP-142.3` or agent `mason`. The tenant's own scope has no id."""

    kind: ScopeKind
    id: str = ""

    def __post_init__(self) -> None:
        if (self.kind == ScopeKind.TENANT) != (self.id == ""):
            raise ValueError(f"a {self.kind} scope {'has no' if self.kind == ScopeKind.TENANT else 'needs an'} id")

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else str(self.kind)

    @property
    def owner(self) -> str:
        """What the ledger calls it in the column of its kind: its id; an agent's is its reference, `agent:mason`."""
        return str(self) if self.kind == ScopeKind.AGENT else self.id


TENANT = Scope(ScopeKind.TENANT)


def scope_of(kind: ScopeKind, owner: str) -> Scope:
    """The scope that the ledger calls `owner` in the column of `kind`."""
    return Scope(kind, owner.removeprefix("agent:") if kind == ScopeKind.AGENT else owner)


def agent_scopes(agent: str) -> tuple[Scope, ...]:
    """The scope of an agent by its reference; none for "", as where a person or the platform pays."""
    return (scope_of(ScopeKind.AGENT, agent),) if agent else ()


def owned_by(scopes: Iterable[Scope]) -> dict[str, str]:
    """What the ledger's column of each kind says, "" where there is none. Raises ValueError for two scopes of one kind.

    One id per kind is what makes every breakdown of the ledger add up to the tenant's total.
    """
    owner = {str(kind): "" for kind in ScopeKind if kind != ScopeKind.TENANT}
    for scope in scopes:
        if scope.kind == ScopeKind.TENANT:
            continue
        if owner[scope.kind] not in ("", scope.owner):
            raise ValueError(f"two scopes of one kind: {scope_of(scope.kind, owner[scope.kind])} and {scope}")
        owner[scope.kind] = scope.owner
    return owner
