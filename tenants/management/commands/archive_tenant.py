"""Archive a suspended tenant and wait until it is exported and dropped."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.errors import GuildhallError
from guildhall.kernel.tenancy import platform_scope
from tenants.actions.archives import archive_tenant
from tenants.models import ENDED, Tenant, TenantArchive, TenantStatus

POLL_SECONDS = 0.2


class Command(BaseCommand):
    help = "Export a suspended tenant into a sealed file, verify it, then drop the tenant. Given again, it waits on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the tenant's short name")
        parser.add_argument("--confirm", required=True, metavar="NAME", help="the tenant's name, typed out")
        parser.add_argument("--reason", required=True, help="why; 10 to 300 characters, for the audit trail")
        parser.add_argument("--timeout", type=float, default=600.0, help="seconds to wait for the provisioner")

    def handle(self, *args: Any, slug: str, confirm: str, reason: str, timeout: float, **options: Any) -> None:
        with platform_scope():
            tenant = Tenant.objects.filter(slug=slug).first()
            if tenant is None:
                raise CommandError(f"There is no tenant {slug!r}.")
            if tenant.status not in ENDED or confirm != tenant.name:
                self._order(tenant, confirm, reason)
            row = TenantArchive.objects.get(tenant=tenant)
        row = self._wait(tenant, row, timeout)
        self.stdout.write(
            f"{tenant.name} is archived: {settings.ARCHIVES_DIR / row.file}, {row.size} bytes, root {row.root}, "
            f"kept until {row.kept_until:%Y-%m-%d}"
        )

    def _order(self, tenant: Tenant, name: str, reason: str) -> None:
        try:
            archive_tenant(actor=system_actor("console", PLATFORM), tenant=tenant, name=name, reason=reason)
        except GuildhallError as error:
            raise CommandError(" ".join([error.detail, *(" ".join(told) for told in error.fields.values())])) from error

    def _wait(self, tenant: Tenant, row: TenantArchive, seconds: float) -> TenantArchive:
        deadline = time.monotonic() + seconds
        while True:
            with platform_scope():
                tenant.refresh_from_db()
                row.refresh_from_db()
            if tenant.status == TenantStatus.ARCHIVED:
                return row
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{tenant.slug} is not archived after {seconds:g} s; the provisioner goes on with it. "
                    "Give the command again to wait on."
                )
            time.sleep(POLL_SECONDS)
