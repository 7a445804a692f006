"""Have what a person's entries in an organisation's audit trail say forgotten."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from guildhall.evidence import auditing
from guildhall.evidence.selectors import recent
from guildhall.kernel.actor import system_actor
from guildhall.kernel.errors import GuildhallError
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.models import Tenant, TenantStatus, User


class Command(BaseCommand):
    help = (
        "Have names, reasons, addresses and values forgotten that a person's entries in an organisation's audit trail hold."
        " The entries and their chain stay. There is no way back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the tenant's short name")
        parser.add_argument("person", help="the e-mail address they sign in with, or person:… as the trail has it")
        parser.add_argument("--reason", required=True, help="why; it stays in the trail, so name nobody in it")

    def handle(self, *args: Any, slug: str, person: str, reason: str, **options: Any) -> None:
        with platform_scope():
            tenant = Tenant.objects.filter(slug=slug).first()
            about = _reference(person)
        if tenant is None or tenant.status not in (TenantStatus.ACTIVE, TenantStatus.SUSPENDED):
            raise CommandError(f"There is no open or suspended tenant {slug!r}.")
        with tenant_scope(tenant.schema_name):
            if not recent(actor=about, limit=1):
                raise CommandError(f"The audit trail of {slug} has no entry of {about}; nothing was erased.")
            count = _erase(tenant.schema_name, about, reason)
        self.stdout.write(
            f"What {count} entries of {about} in {slug} say is forgotten as soon as the sealer sees it: seconds."
        )


def _reference(person: str) -> str:
    """How trails name whoever is meant. Raises `CommandError` where nobody is."""
    if person.startswith("person:"):
        return person
    user = User.objects.filter(email=person.strip().lower()).first()
    if user is None:
        raise CommandError(f"Nobody signs in with {person!r}. Give an e-mail address, or person:… as the trail has it.")
    return user.ref


def _erase(schema: str, about: str, reason: str) -> int:
    """How many entries there were to forget, in as many actions as it takes."""
    total, actor = 0, system_actor("console", schema)
    try:
        while True:
            count = auditing.erase_payloads(actor=actor, about=about, reason=reason)
            total += count
            if count < auditing.MOST_ERASED:
                return total
    except GuildhallError as refused:
        raise CommandError(refused.detail) from refused
