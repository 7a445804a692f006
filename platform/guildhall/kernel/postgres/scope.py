"""What a connection is set to: one role and one search path, always together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """`role` None is the login itself; `path` is the search path, first schema first."""

    role: str | None
    path: tuple[str, ...]


NOWHERE = Scope(role=None, path=("public",))
