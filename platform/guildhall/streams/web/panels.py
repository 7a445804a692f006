"""What event streams bring to the portal: a menu entry for those who look after them, and names of consumers."""

from django.urls import reverse

from guildhall.evidence.policies import may_keep_streams
from guildhall.evidence.streams import waiting_letters
from guildhall.kernel.actor import Actor
from guildhall.portal.registry import Badge, NavItem, register_address, register_nav


def letters_badge(actor: Actor) -> Badge | None:
    """Dead letters wait for a person."""
    number = waiting_letters()
    return Badge(number, "dead letters", waits=True) if number else None


def register() -> None:
    """Called once the apps are ready."""
    register_nav(
        NavItem(
            "Events",
            "broadcast",
            "/events/",
            85,
            group="Govern",
            shown_to=may_keep_streams,
            badge=letters_badge,
            live="consumer:*",
        )
    )
    register_address("consumer", lambda name: reverse("consumer", args=[name]))
