"""What a connection is set to: one role and one search path, always together."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """`role` None is the login itself; `path` is the search path, first schema first."""

    role: str | None
    path: tuple[str, ...]


NOWHERE = Scope(role=None, path=("public",))
standing: ContextVar[Scope] = ContextVar("database_scope", default=NOWHERE)
"""Where this context stands; only `guildhall.kernel.tenancy` moves it."""
