"""What a worker loads: `celery -A guildhall.celery worker`."""

import sys
from typing import Any

from celery.signals import task_postrun
from click import Option
from django.db import connections

from guildhall.fleet.heartbeat import FleetStep
from guildhall.kernel.broker import app
from guildhall.wsgi import application as _configured  # noqa: F401  Django is set up once, here

__all__ = ["app"]

# Celery would close a forked worker's whole connection pool before and after every task, and each would log in anew.
app.conf.update(CELERY_DB_REUSE_MAX=sys.maxsize)
app.autodiscover_tasks()
app.steps["consumer"].add(FleetStep)
app.user_options["worker"].add(
    Option(
        ["--sleep-after"],
        type=float,
        default=0.0,
        help="End with status 75 after so many seconds without work; 0: never. For who starts it again when there is some.",
    )
)


@task_postrun.connect(weak=False)
def give_back(**_: Any) -> None:
    """Hand the task's database connections back to the pool, or end those that have none."""
    for wrapper in connections.all(initialized_only=True):
        wrapper.close()
