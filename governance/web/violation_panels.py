"""What violations bring to the portal: a menu entry, a hint on the dashboard and addresses."""

from typing import Any

from governance.selectors.violations import open_violations
from guildhall.kernel.actor import Actor
from guildhall.portal.registry import (
    Badge,
    NavItem,
    Panel,
    once_a_page,
    register_address,
    register_nav,
    register_panel,
)

LIVE = "violation:*"


def is_team(actor: Actor) -> bool:
    """Whether the actor is more than a client."""
    return bool(actor.roles - {"client"})


@once_a_page
def not_looked_at(actor: Actor) -> int:
    """How many violations wait for somebody to say what they were."""
    return open_violations() if is_team(actor) else 0


def violations_badge(actor: Actor) -> Badge | None:
    """Those that nobody has looked at."""
    number = not_looked_at(actor)
    return Badge(number, "violations", waits=True) if number else None


def violations_hint(actor: Actor, about: Any) -> dict[str, Any] | None:
    """A line on the dashboard while there are some that nobody has looked at."""
    number = not_looked_at(actor)
    return {"number": number} if number else None


def register() -> None:
    """Called once the apps are ready."""
    register_nav(
        NavItem(
            "Violations",
            "alert-triangle",
            "/violations/",
            55,
            group="Govern",
            shown_to=is_team,
            badge=violations_badge,
            live=LIVE,
        )
    )
    register_panel(
        Panel("violations", "dashboard.main", "governance/_violations_hint.html", 5, violations_hint, live=LIVE)
    )
    register_address("violation", lambda number: f"/violations/{number}/")
