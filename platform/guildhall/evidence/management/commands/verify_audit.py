"""Verify the audit chain of one tenant or of all."""

from argparse import ArgumentParser
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from psycopg.rows import dict_row

from guildhall.evidence.chain import verify
from guildhall.evidence.roots import UnreadableRoots, read_expired, read_published

TENANTS = """
SELECT tenant FROM evidence.audit_entry UNION SELECT tenant FROM evidence.audit_link
UNION SELECT tenant FROM evidence.audit_seal
"""


class Command(BaseCommand):
    help = "Recompute the audit chain; names the first broken row or seal and exits 1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="a tenant's schema name; all tenants when left out")

    def handle(self, *args: Any, tenant: str | None = None, **options: Any) -> None:
        try:
            published, expired = read_published(settings.SEALS_DIR), read_expired(settings.SEALS_DIR)
        except UnreadableRoots as error:
            raise CommandError(str(error)) from error
        with psycopg.connect(settings.SEALER_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
            known = sorted({row["tenant"] for row in db.execute(TENANTS)} | set(published))
            if tenant and tenant not in known:
                raise CommandError(f"{tenant} has no audit trail")
            wanted = [tenant] if tenant else known
            reports = [verify(db, name, published.get(name, {}), expired.get(name, {})) for name in wanted]
        broken = [report for report in reports if report.broken]
        if broken:
            raise CommandError("\n".join(map(str, broken)))
        for report in reports:
            if report.erased or report.expired:
                self.stdout.write(str(report))
        self.stdout.write(f"{len(wanted)} audit chain{'s' if len(wanted) != 1 else ''} whole")
