"""Rebuild the states of plans, stories, tasks and councils from their events, and compare them with the tables."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from guildhall.kernel.tenancy import is_tenant_schema, platform_scope, tenant_scope
from tenants.models import Tenant, TenantStatus
from workflows.rebuilding import compare


class Command(BaseCommand):
    help = "Print the states that recorded events lead to; with --check, each difference to the tables, and exit 1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="a tenant's schema name; all open tenants when left out")
        parser.add_argument("--check", action="store_true", help="say what differs instead of printing the states")

    def handle(self, *args: Any, tenant: str | None = None, check: bool = False, **options: Any) -> None:
        found: list[str] = []
        schemas = _schemas(tenant)
        for schema in schemas:
            with tenant_scope(schema):
                comparison = compare()
            if check:
                found += [f"{schema}: {difference}" for difference in comparison.differences]
                continue
            told = comparison.rebuilt
            for states in (told.plans, told.stories, told.tasks, told.councils):
                for reference, state in states.items():
                    self.stdout.write(f"{schema} {reference} {state.state}")
        if found:
            raise CommandError("\n".join(found))
        if check:
            self.stdout.write(f"{len(schemas)} tenant{'s' if len(schemas) != 1 else ''}: tables and events agree")


def _schemas(tenant: str | None) -> list[str]:
    with platform_scope():
        known = Tenant.objects.filter(status__in=[TenantStatus.ACTIVE, TenantStatus.SUSPENDED])
        names = list(known.order_by("schema_name").values_list("schema_name", flat=True))
    if tenant is None:
        return names
    if not is_tenant_schema(tenant) or tenant not in names:
        raise CommandError(f"There is no tenant {tenant}.")
    return [tenant]
