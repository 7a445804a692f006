"""Run the outbox relay until told to stop."""

import signal
import threading
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand
from redis.backoff import NoBackoff
from redis.retry import Retry

from guildhall.evidence.relay import Relay, announce
from guildhall.evidence.tasks import wake_consumers


class Command(BaseCommand):
    help = "Give committed events their positions, push them to live pages and wake consumers."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, retry=Retry(NoBackoff(), 1))
        Relay(settings.RELAY_DATABASE_URL, [announce(client), wake_consumers()]).run(stop)
