"""Who could decide: governance has no members, so whoever keeps them says who they are."""

from collections.abc import Callable, Mapping

People = Callable[[], Mapping[str, frozenset[str]]]
_people: list[People] = []


def register_people(people: People) -> None:
    """Name the one look-up of the current tenant's active members: roles by reference, such as `person:ab12`."""
    _people[:] = [people]


def people() -> Mapping[str, frozenset[str]]:
    """The current tenant's active members with their roles. Raises RuntimeError when nobody registered them."""
    if not _people:
        raise RuntimeError("no look-up of members is registered: tenants is not installed")
    return _people[0]()
