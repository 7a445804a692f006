"""Make a demo tenant on the running stack."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from guildhall.demo.file import demo_file, described, read, write
from guildhall.demo.owner import ensure_owner
from guildhall.demo.seeding import seed
from guildhall.kernel.errors import GuildhallError


class Command(BaseCommand):
    help = "Make a tenant with people, projects and stories, without running anything; prints how to sign in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="lower-case letters, digits and single hyphens")
        parser.add_argument("--json", action="store_true", help="print what var/demo.json says of the first one")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        first = read(demo_file())
        try:
            demo = seed(name, name.replace("-", " ").title())
        except GuildhallError as error:
            details = [f"{field}: {' '.join(said)}" for field, said in error.fields.items()]
            raise CommandError(" ".join([error.detail, *details])) from error
        owner = ensure_owner(first["owner"]["password"] if first else None)
        about = described(demo, owner)
        write(demo_file(name), about)
        self.stdout.write(
            json.dumps(about, indent=2) if options["json"] else f"{name} is open at {about['tenant_url']}"
        )
