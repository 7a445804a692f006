"""Bring the whole database up to date: roles, shared tables, the tenant template, every tenant."""

import logging
from argparse import ArgumentParser
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from guildhall.embedded.roles import ensure_roles
from tenants.models import ENDED, Tenant, TenantStatus
from tenants.provisioning import refresh_template
from tenants.provisioning.schema import regrant

logger = logging.getLogger(__name__)


class _Progress:
    """Which schemas are behind. Asking is much cheaper than running none, and the files are read once."""

    def __init__(self) -> None:
        self._executor = MigrationExecutor(connection)
        with connection.cursor() as cursor:
            cursor.execute("SELECT nspname FROM pg_namespace")
            self._schemas = {row[0] for row in cursor.fetchall()}

    def has(self, schema: str) -> bool:
        """Whether there was such a schema when this was made."""
        return schema in self._schemas

    def behind(self, schema: str) -> bool:
        """Whether migrations are missing in `schema`."""
        wrapper: Any = connection
        loader: Any = self._executor.loader  # django-stubs has another type for what its recorder returns
        wrapper.set_schema(schema)
        loader.applied_migrations = self._executor.recorder.applied_migrations()
        wrapper.set_schema_to_public()
        return bool(self._executor.migration_plan(loader.graph.leaf_nodes()))


class Command(BaseCommand):
    help = "Create roles, migrate the shared tables, refresh the template, migrate every tenant. Safe to run again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", action="append", default=[], help="only this tenant (a slug; may be repeated)")

    def handle(self, *args: Any, tenant: list[str], **options: Any) -> None:
        self._roles()
        if _Progress().behind("public"):
            call_command("migrate_schemas", shared=True, verbosity=0)
        refresh_template()
        # One that leaves is exported as it is; what is left of it afterwards has no schema.
        there = Tenant.objects.exclude(status__in=ENDED)
        rows = there.filter(slug__in=tenant) if tenant else there
        progress = _Progress()
        failed = [row for row in rows.order_by("id") if not self._migrate(row, progress)]
        for row in failed:
            self.stderr.write(f"{row.slug} is quarantined: its migration failed")
        self.stdout.write(f"database is up to date{f', {len(failed)} tenants quarantined' if failed else ''}")

    def _roles(self) -> None:
        """Every login of ours gets the password that its own URL carries."""
        urls = (settings.DATABASE_URL, settings.RELAY_DATABASE_URL, settings.SEALER_DATABASE_URL)
        passwords = {
            unquote(parts.username): unquote(parts.password)
            for parts in map(urlsplit, urls)
            if parts.username and parts.password
        }
        with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
            db.execute("CREATE EXTENSION IF NOT EXISTS vector")
            ensure_roles(db, passwords)

    def _migrate(self, tenant: Tenant, progress: _Progress) -> bool:
        """Migrate one tenant; False when it failed. One that has no schema yet gets the new one from the template."""
        if not progress.has(tenant.schema_name):
            return True
        row = Tenant.objects.filter(pk=tenant.pk)
        try:
            if progress.behind(tenant.schema_name):
                call_command("migrate_schemas", schema_name=tenant.schema_name, verbosity=0)
                regrant(tenant.schema_name)
        except Exception:
            logger.exception("migration of %s failed", tenant.schema_name)
            if tenant.status != TenantStatus.QUARANTINED:
                reason = tenant.status_reason or "Its last migration failed."
                row.update(status=TenantStatus.QUARANTINED, status_before=tenant.status, status_reason=reason)
            return False
        if tenant.status == TenantStatus.QUARANTINED:
            before = tenant.status_before or TenantStatus.ACTIVE
            reason = tenant.status_reason if before == TenantStatus.SUSPENDED else ""
            row.update(status=before, status_before="", status_reason=reason)
        return True
