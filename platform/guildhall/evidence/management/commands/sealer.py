"""Run the audit sealer until told to stop."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from guildhall.evidence.expiry import Expiry
from guildhall.evidence.sealing import Sealer


class Command(BaseCommand):
    help = "Chain committed audit entries and publish each round's roots; drop months whose time is over."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        expiry = Expiry(settings.SEALER_DATABASE_URL, settings.SEALS_DIR, settings.AUDIT_MONTHS)
        beside = threading.Thread(target=expiry.run, args=[stop], name="expiry", daemon=True)
        beside.start()
        Sealer(settings.SEALER_DATABASE_URL, settings.SEALS_DIR).run(stop)
        beside.join(5.0)
