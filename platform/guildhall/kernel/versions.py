"""Rows whose version rises with every change, so that nobody overwrites what they have not seen."""

from typing import Protocol

from guildhall.kernel.errors import Stale


class Versioned(Protocol):
    """A row that counts its changes."""

    @property
    def version(self) -> int: ...


def check_version(row: Versioned, seen: int | None) -> None:
    """Raises `Stale` when whoever acts on the locked `row` looked at another version; None is for those who need not look."""
    if seen is not None and seen != row.version:
        said = f"It was changed meanwhile: you saw version {seen}, it is at {row.version}. Look again."
        raise Stale(said, current=row.version)
