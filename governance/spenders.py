"""What a limit can be set for: governance has no stories and no runs, so whoever keeps them says which exist."""

from collections.abc import Callable

from governance.scopes import ScopeKind

Known = Callable[[list[str]], set[str]]
"""`known(ids)`: which of these ids of one kind exist in the current tenant."""
_known: dict[ScopeKind, Known] = {}


def register_spenders(kind: ScopeKind, known: Known) -> None:
    """Name the one look-up of what spends as `kind`."""
    _known[kind] = known


def spends(kind: ScopeKind, scope_id: str) -> bool:
    """Whether there is such a thing; what nobody keeps does not exist. Without an id it is each of the kind."""
    return not scope_id or (kind in _known and scope_id in _known[kind]([scope_id]))
