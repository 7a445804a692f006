"""Verify the sealed export of an archived tenant."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guildhall.evidence.roots import UnreadableRoots, read_expired, read_exports, read_published
from tenants.archiving.container import BrokenExport, verify_export


class Command(BaseCommand):
    help = "Read an export back; names the first member, row or seal that is not as it was sealed and exits 1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the export, such as var/archives/org_acme.zip")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        folder = settings.SEALS_DIR
        try:
            found = verify_export(file, read_exports(folder), read_published(folder), read_expired(folder))
        except (BrokenExport, UnreadableRoots) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{found.tenant}: {found.members} members with {found.rows} rows, whole, root {found.root}")
        self.stdout.write(str(found.chain))
