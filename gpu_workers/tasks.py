"""Jobs: working on runs, and looking for what nobody holds."""

import logging
from datetime import UTC, datetime

from celery import shared_task
from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from governance.actions.money import expire_reservations
from governance.actions.outcomes import alarm_unexecuted, expire_due
from governance.actions.outcomes_held import retry_held
from governance.actions.reputation import decay_reputation
from gpu_workers.budgets import look_at_waiting
from gpu_workers.carrying_out import merge_stopped
from gpu_workers.claims import keep_claims
from gpu_workers.dispatch import dispatch
from gpu_workers.errands import serve, waiting_lanes
from gpu_workers.handing_in import carry_out_hand_in, waiting_hand_ins
from gpu_workers.metering import charge_left
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from gpu_workers.rests import keep_rests
from gpu_workers.retention import remove_workspaces, retire_branches
from gpu_workers.runs.engine import execute
from gpu_workers.runs.settling import settle_left
from gpu_workers.runs.storing import charge_stored
from gpu_workers.staff import idle_agents
from guildhall.kernel.actor import system_actor
from guildhall.kernel.jobs import job
from guildhall.kernel.tenancy import current_tenant, platform_scope
from tenants.models import Tenant, TenantStatus
from workflows.actions import release_expired_claims

logger = logging.getLogger(__name__)
AT_ONCE = 200
"""Runs that are offered to the workers in one look, at most."""


@job("agents")
def execute_run(*, number: int) -> None:
    """Work on a run of the message's tenant. A message too many does nothing: the run's lease decides."""
    execute(number)


@job("agents")
def execute_hand_in(*, number: int) -> None:
    """Make a change of what a person of the message's tenant handed in; the row's lease decides as a run's does."""
    carry_out_hand_in(number)


@job("merges")
def serve_lane(*, repository: str) -> None:
    """Carry out what is due in a repository of the message's tenant; the lane's lease decides as a run's does."""
    serve(repository)


def wake_lanes() -> None:
    """Tell the workers of every repository in which something is due that nobody is at."""
    for repository in waiting_lanes():
        serve_lane.offer(current_tenant(), repository=repository)


def wake_hand_ins() -> None:
    """Tell the workers of everything that was handed in and that nobody works on."""
    for number in waiting_hand_ins():
        execute_hand_in.offer(current_tenant(), number=number)


def wake_runs() -> None:
    """Tell the workers of every run of the current tenant that is to go on and that nobody holds, those begun first."""
    look_at_waiting()
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    due = Q(retry_at=None) | Q(retry_at__lte=Now())
    waiting = Run.objects.filter(free & due, state__in=[RunState.QUEUED, RunState.RUNNING])
    first = ExpressionWrapper(Q(state=RunState.QUEUED), output_field=BooleanField())
    numbers = waiting.order_by(first, "number").values_list("number", flat=True)
    execute_run.offer_each(current_tenant(), *({"number": number} for number in numbers), most=AT_ONCE)


@job("default")
def look_after_tenant(*, thorough: bool) -> None:
    """Wake what nobody holds, count what rests; when `thorough`, also expire, charge and settle what is due and hand
    out what was left lying.
    """
    wake_runs()
    wake_hand_ins()
    wake_lanes()
    keep_rests()
    if thorough:
        actor = system_actor("timekeeper", current_tenant())
        expire_reservations(actor=actor)
        charge_left(actor=actor)
        settle_left(actor=actor)
        expire_due(actor=actor)
        retry_held(actor=actor, stopped=merge_stopped)
        alarm_unexecuted(actor=actor)
        keep_claims()
        release_expired_claims(actor=actor)
        dispatch()


@shared_task(name="gpu_workers.tasks.wake_waiting_work", ignore_result=True)
def wake_waiting_work() -> None:
    """Every few seconds: work whose worker died or whose message was lost goes on."""
    _every_tenant(thorough=False)


@shared_task(name="gpu_workers.tasks.expire_what_is_due", ignore_result=True)
def expire_what_is_due() -> None:
    """Several times a minute: leases, approvals and claims that have run out."""
    _every_tenant(thorough=True)


@shared_task(name="gpu_workers.tasks.let_reputation_decay", ignore_result=True)
def let_reputation_decay() -> None:
    """Daily: agents that have done nothing for another whole week lose a little of their reputation."""
    for schema in _active_tenants():
        let_tenant_decay.send(schema)


@job("default")
def let_tenant_decay() -> None:
    """The tenant's idle agents; asking again on the same day changes nothing."""
    actor = system_actor("reputation", current_tenant())
    for agent, since in idle_agents():
        decay_reputation(actor=actor, agent=agent, idle_since=since)


@shared_task(name="gpu_workers.tasks.charge_storage", ignore_result=True)
def charge_storage() -> None:
    """Daily: what tenants keep on the disk, for the day (UTC) that it is now."""
    for schema in _active_tenants():
        charge_tenant_storage.send(schema)


@job("default")
def charge_tenant_storage() -> None:
    """The tenant's repositories and workspaces; each is charged once a day."""
    charge_stored(actor=system_actor("cashier", current_tenant()), day=datetime.now(UTC).date())


@shared_task(name="gpu_workers.tasks.tidy_workspaces", ignore_result=True)
def tidy_workspaces() -> None:
    """Daily: workspaces of runs that ended long ago."""
    for schema in _active_tenants():
        tidy_tenant_workspaces.send(schema)


@job("default")
def tidy_tenant_workspaces() -> None:
    """The tenant's old workspaces; what is removed is not looked for again."""
    remove_workspaces(actor=system_actor("housekeeper", current_tenant()))
    retire_branches()


def _every_tenant(*, thorough: bool) -> None:
    for schema in _active_tenants():
        look_after_tenant.offer(schema, thorough=thorough)


def _active_tenants() -> list[str]:
    with platform_scope():
        schemas = list(Tenant.objects.filter(status=TenantStatus.ACTIVE).values_list("schema_name", flat=True))
    connection.close()
    return schemas
