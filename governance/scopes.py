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


class Window(StrEnum):
    """Calendar windows in UTC; `total` never ends."""

    HOUR = "hour"
    DAY = "day"
    TOTAL = "total"


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scope:
    """One thing that spends, such as task `SHOP-142.3`. The tenant's own scope has no id."""

    kind: ScopeKind
    id: str = ""

    def __post_init__(self) -> None:
        if (self.kind == ScopeKind.TENANT) != (self.id == ""):
            raise ValueError(f"a {self.kind} scope {'has no' if self.kind == ScopeKind.TENANT else 'needs an'} id")

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else str(self.kind)


TENANT = Scope(ScopeKind.TENANT)


def owned_by(scopes: Iterable[Scope]) -> dict[str, str]:
    """The id per kind, "" where there is none. Raises ValueError when two scopes of one kind are given.

    One id per kind is what makes every breakdown of the ledger add up to the tenant's total.
    """
    owner = {str(kind): "" for kind in ScopeKind if kind != ScopeKind.TENANT}
    for scope in scopes:
        if scope.kind == ScopeKind.TENANT:
            continue
        if owner[scope.kind] not in ("", scope.id):
            raise ValueError(f"two scopes of one kind: {scope.kind}:{owner[scope.kind]} and {scope}")
        owner[scope.kind] = scope.id
    return owner
