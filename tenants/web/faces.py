"""Who the references of people are, for the portal's pages."""

from guildhall.portal.registry import Party, register_names
from tenants.models import Comember


def people_named(ids: list[str]) -> dict[str, Party]:
    """Members by public id; those who left are not among them."""
    return {
        member.public_id: Party(f"person:{member.public_id}", member.name)
        for member in Comember.objects.filter(public_id__in=ids)
    }


def register() -> None:
    """Called once the apps are ready."""
    register_names("person", people_named)
