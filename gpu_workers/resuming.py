"""Runs that rest for want of an engine go on as soon as it is there again, some at a time."""

from datetime import timedelta

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from gateway.models import Route
from gateway.returning import on_return
from gpu_workers.models import Run
from gpu_workers.models.run import AWAITS, AWAY_SINCE, RunState
from gpu_workers.tasks import execute_run
from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.jobs import job
from guildhall.kernel.tenancy import current_tenant
from tenants.models import Tenant, TenantStatus

AT_ONCE = 8
EVERY_S = 2.0
EXPIRES_S = 120.0
"""The longest that a run rests: by then it has gone on by itself."""


@on_return
def hear_of_return(deployments: list[str]) -> None:
    """Somebody heard of it amid a call or a look; who is concerned is found by a job."""
    wake_for_engines.send(PLATFORM, expires=EXPIRES_S, deployments=deployments)


@job("default")
def wake_for_engines(*, deployments: list[str]) -> None:
    """Have every tenant's runs go on that rest for want of what these deployments serve."""
    found = Route.objects.filter(deployment__name__in=deployments, deployment__active=True)
    routes = sorted(set(found.values_list("name", flat=True)))
    tenants = list(Tenant.objects.filter(status=TenantStatus.ACTIVE).values_list("schema_name", flat=True))
    connection.close()
    for schema in tenants if routes else ():
        wake_for_routes.send(schema, expires=EXPIRES_S, routes=routes)


@job("default")
def wake_for_routes(*, routes: list[str]) -> None:
    """The tenant's runs that rest for want of a model of these routes."""
    for number in end_rests(routes):
        execute_run.send(current_tenant(), number=number)


def end_rests(routes: list[str]) -> list[int]:
    """Shorten the rest of the runs that wait for one of `routes`; the numbers of those whose rest is over now.

    Those that have been away longest come first, `AT_ONCE` at a time, so that an engine that has just come back is not asked
    by all at one moment; none rests longer than it would have. When to look again is bookkeeping among workers as leases
    are, and no change that anybody could have allowed or refused.
    """
    resting = Run.objects.filter(
        state__in=[RunState.QUEUED, RunState.RUNNING],
        lease_until=None,
        retry_at__gt=Now(),
        **{f"outcome__{AWAITS}__in": routes},
    )
    numbers = list(resting.order_by(F(f"outcome__{AWAY_SINCE}"), "number").values_list("number", flat=True))
    for first in range(0, len(numbers), AT_ONCE):
        due = Now() + timedelta(seconds=first // AT_ONCE * EVERY_S)
        resting.filter(number__in=numbers[first : first + AT_ONCE], retry_at__gt=due).update(retry_at=due)
    return numbers[:AT_ONCE]
