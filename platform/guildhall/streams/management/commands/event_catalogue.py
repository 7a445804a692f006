"""Write the catalogue of events and the digests of their payloads, or check the committed ones."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guildhall.streams.catalogue import as_yaml, digests

REFERENCE = Path(settings.BASE_DIR) / "docs" / "reference"
CATALOGUE, LOCK = REFERENCE / "asyncapi.yaml", REFERENCE / "events.lock.json"


def changed_payloads(locked: dict[str, str], now: dict[str, str]) -> list[str]:
    """What may not be: payloads that are gone, or that changed under the same version. One sentence each."""
    gone = [f"{name} is gone; stored events still have it: keep its class." for name in locked if name not in now]
    other = [
        f"{name} has another payload than before: keep the class and define the next version beside it."
        for name, digest in locked.items()
        if name in now and now[name] != digest
    ]
    return gone + other


class Command(BaseCommand):
    help = "Write docs/reference/asyncapi.yaml and events.lock.json; refuses a payload that changed under its version."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when something would change")

    def handle(self, *args: Any, check: bool = False, **options: Any) -> None:
        now = digests()
        locked: dict[str, str] = json.loads(LOCK.read_text()) if LOCK.exists() else {}
        if problems := changed_payloads(locked, now):
            raise CommandError("\n".join(problems))
        written = {CATALOGUE: as_yaml(), LOCK: json.dumps(now, indent=1, sort_keys=True) + "\n"}
        if check:
            stale = [file.name for file, text in written.items() if not file.exists() or file.read_text() != text]
            if stale:
                raise CommandError(f"{' and '.join(stale)} are not this release's: run manage.py event_catalogue")
            return
        for file, text in written.items():
            file.write_text(text)
        self.stdout.write(f"{len(now)} events")
