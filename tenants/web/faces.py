"""What the portal's shell shows of identity: who the references of people are, and the way to the settings."""

from guildhall.kernel.actor import Actor
from guildhall.portal.registry import NavItem, Party, register_names, register_nav
from tenants.models import Comember
from tenants.roles import CLIENT


def people_named(ids: list[str]) -> dict[str, Party]:
    """Members by public id; those who left are not among them."""
    return {
        member.public_id: Party(f"person:{member.public_id}", member.name)
        for member in Comember.objects.filter(public_id__in=ids)
    }


def has_team_role(actor: Actor) -> bool:
    """Clients have their account's menu; the organisation's settings are not their business."""
    return bool(actor.roles - {CLIENT})


def register() -> None:
    """Called once the apps are ready."""
    register_nav(NavItem("Settings", "settings", "/settings/", 90, "Govern", shown_to=has_team_role))
    register_names("person", people_named)
