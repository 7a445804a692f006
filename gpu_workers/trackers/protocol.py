"""What a project's issue tracker can be asked to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

MOST = 60
"""Issues of one look, those that changed last."""
TITLE, TEXT = 200, 6_000
"""Characters that are kept of each."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One open issue, cut to size. `key` is what people call it: `42` at GitHub, `ENG-42` at Linear."""

    key: str
    title: str
    text: str
    url: str
    state: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """What to do with an issue: say something, add labels, close it; nothing else is ever done to it."""

    comment: str = ""
    labels: tuple[str, ...] = ()
    close: bool = False


Acting = Callable[[str], None]
"""Told in words of each act just before it is asked for: whatever dies after that, what may stand outside is known here."""


class Tracker(Protocol):
    """Each verb raises `Unavailable` and `RateLimited`, `Invalid` where the tracker does not know the thing."""

    def check(self) -> None:
        """Raise `Invalid` unless the token may see this place."""

    def issues(self) -> list[Issue]:
        """Open issues, the latest change first, at most `MOST`."""
        ...

    def update(self, key: str, wanted: Update, acting: Acting) -> list[str]:
        """Bring the issue there, and say what was done. Doing it again does only what is not so yet.

        What can be known before is looked up before anything is changed.
        """
        ...
