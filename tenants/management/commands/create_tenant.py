"""Create a tenant and wait until it is open."""

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.errors import GuildhallError, Invalid
from guildhall.kernel.tenancy import platform_scope
from tenants.actions.tenants import create_tenant
from tenants.models import Tenant, TenantStatus
from tenants.provisioning.provision import host_for

POLL_SECONDS = 0.05


class Command(BaseCommand):
    help = "Create a tenant; a running worker makes its schema. Exits 1 when names are refused or no worker does it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="lower-case letters, digits and single hyphens, a letter first")
        parser.add_argument("--name", required=True, help="the name that people read")
        parser.add_argument("--host", help="the host name to be found under; by default SLUG.PUBLIC_HOST")
        parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for a worker")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(
        self,
        *args: Any,
        slug: str,
        name: str,
        host: str | None,
        timeout: float,
        **options: Any,
    ) -> None:
        host = host or host_for(slug)
        try:
            with platform_scope():
                tenant = create_tenant(actor=system_actor("console", PLATFORM), slug=slug, name=name, host=host)
        except GuildhallError as error:
            raise CommandError(_said(error)) from error
        self._wait(tenant, timeout)
        if options["json"]:
            self.stdout.write(
                json.dumps({"slug": slug, "name": tenant.name, "schema": tenant.schema_name, "host": host})
            )
        else:
            self.stdout.write(f"{tenant.name} is open at {host}")

    def _wait(self, tenant: Tenant, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            with platform_scope():
                tenant.refresh_from_db()
            if tenant.status == TenantStatus.ACTIVE:
                return
            if time.monotonic() > deadline:
                raise CommandError(f"No worker set {tenant.slug} up within {seconds:g} s; the next one that runs will.")
            time.sleep(POLL_SECONDS)


def _said(error: GuildhallError) -> str:
    details = [f"{field}: {' '.join(messages)}" for field, messages in error.fields.items()]
    return " ".join([error.detail, *details]) if isinstance(error, Invalid) else error.detail
