"""What the worker of `outbox` loads: a consumer of a benchmark's event, and a bare task as its peer."""

import os
import time
from typing import ClassVar

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guildhall.settings")

import redis
from django.conf import settings

from guildhall.celery import app
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.events import Event

STARTED = "bench:started"
_redis = redis.Redis.from_url(settings.REDIS_URL)


class Ticked(Event):
    kind: ClassVar[str] = "bench.thing.ticked"
    number: int


def _note() -> None:
    """When this started, on the clock that all processes of a machine share."""
    _redis.rpush(STARTED, time.monotonic())


@consumer("bench.heard", kinds=[Ticked])
def heard(event: Delivered) -> None:
    """Durable, leased, in order, in its tenant's scope."""
    _note()


@app.task(name="bench.bare", ignore_result=True)
def bare() -> None:
    """Celery alone."""
    _note()


__all__ = ["app"]
