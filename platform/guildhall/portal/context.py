"""What every page's shell needs. Nothing is read before a template asks for it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.http import HttpRequest

from guildhall.kernel.actor import Actor
from guildhall.portal.registry import Badge, FilledPanel, NavItem, Party, nav_for, panels_for


@dataclass(frozen=True, slots=True)
class Entry:
    """A menu entry as it is drawn."""

    item: NavItem
    badge: Badge | None
    current: bool


class Shell:
    """The menu, the foot of the sidebar and the account, of one request."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._actor: Actor | None = getattr(request, "actor", None)

    @cached_property
    def me(self) -> Party | None:
        """Who is signed in, with their roles in words."""
        if self._actor is None:
            return None
        roles = ", ".join(role.replace("_", " ") for role in sorted(self._actor.roles))
        return Party(self._actor.ref, self._actor.name, note=roles[:1].upper() + roles[1:])

    @property
    def team(self) -> bool:
        """Whether the reader is more than a client."""
        return self._actor is not None and bool(self._actor.roles - {"client"})

    @cached_property
    def groups(self) -> list[tuple[str, list[Entry]]]:
        """Menu entries by group, in order."""
        grouped: dict[str, list[Entry]] = {}
        for entry in self._entries:
            grouped.setdefault(entry.item.group, []).append(entry)
        return list(grouped.items())

    @cached_property
    def tabs(self) -> list[Entry]:
        """Entries of the bar at the bottom of small screens."""
        return [entry for entry in self._entries if entry.item.tab]

    @cached_property
    def foot(self) -> list[FilledPanel]:
        """What stands at the foot of the sidebar."""
        return panels_for("sidebar.foot", self._actor) if self._actor else []

    @property
    def position(self) -> int:
        """The stream's position that this page shows at least; none for clients, whom it would tell what others do."""
        if self._actor is None or self._actor.has_role("client"):
            return 0
        return int(getattr(self._request, "live_position", 0))

    @cached_property
    def _entries(self) -> list[Entry]:
        actor = self._actor
        if actor is None:
            return []
        return [
            Entry(item, item.badge(actor) if item.badge else None, self._is_current(item.url))
            for item in nav_for(actor)
        ]

    def _is_current(self, url: str) -> bool:
        return self._request.path == url if url == "/" else self._request.path.startswith(url)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Template context of the layout: who is signed in and where."""
    return {
        "actor": getattr(request, "actor", None),
        "tenant": getattr(request, "tenant", None),
        "shell": Shell(request),
    }
