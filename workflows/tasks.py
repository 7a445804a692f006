"""Jobs of the calendar: strategies whose scheduled time has come, and files that nobody knows of."""

import logging

from celery import shared_task
from django.db import connection
from django.db.models.functions import Now

from guildhall.kernel.actor import system_actor
from guildhall.kernel.errors import Conflict
from guildhall.kernel.jobs import job
from guildhall.kernel.tenancy import current_tenant, platform_scope
from tenants.models import Tenant, TenantStatus
from workflows.actions.firing import fire_schedule, release_queued
from workflows.actions.sprints import end_sprint
from workflows.models import Sprint, Strategy
from workflows.models.schedule import FiringState
from workflows.selectors.planned import database_now
from workflows.sweeping import sweep_files

logger = logging.getLogger(__name__)


@job("default")
def fire_due_schedules() -> None:
    """Fire what is due in the message's tenant, and begin what waits for nothing any more, as after a kill switch.

    Sprints whose last day is over are closed. A message too many finds nothing due.
    """
    actor = system_actor("scheduler", current_tenant())
    due = Strategy.objects.filter(state="active", schedule__next_at__lte=Now())
    for strategy in due.order_by("schedule__next_at")[:200]:
        try:
            fire_schedule(actor=actor, strategy=strategy)
        except Conflict as refusal:
            logger.info("%s does not fire: %s", strategy.ref, refusal.detail)
    for strategy in Strategy.objects.filter(state="active", runs__state=FiringState.QUEUED).distinct()[:200]:
        try:
            release_queued(actor=actor, strategy=strategy)
        except Conflict as refusal:
            logger.info("%s begins nothing that waits: %s", strategy.ref, refusal.detail)
    for sprint in Sprint.objects.filter(state="open", ends_on__lt=database_now().date())[:200]:
        try:
            end_sprint(actor=actor, sprint=sprint)
        except Conflict as refusal:
            logger.info("%s is not closed: %s", sprint.ref, refusal.detail)


@shared_task(name="workflows.tasks.look_at_the_calendar", ignore_result=True)
def look_at_the_calendar() -> None:
    """Twice a minute: have every active tenant's schedules looked at."""
    for schema in _active_tenants():
        fire_due_schedules.send(schema, expires=60)


@job("default")
def sweep_tenant_files() -> None:
    """The files of the message's tenant."""
    if number := sweep_files():
        logger.info("%s files without a row are removed", number)


@shared_task(name="workflows.tasks.sweep_files_everywhere", ignore_result=True)
def sweep_files_everywhere() -> None:
    """Nightly: remove stored bytes that no row knows of, in every active tenant."""
    for schema in _active_tenants():
        sweep_tenant_files.send(schema)


def _active_tenants() -> list[str]:
    with platform_scope():
        schemas = list(Tenant.objects.filter(status=TenantStatus.ACTIVE).values_list("schema_name", flat=True))
    connection.close()
    return schemas
