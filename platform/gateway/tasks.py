"""What the gateway does by the clock: how busy engines are, and the nightly comparison of ledgers with what providers say."""

from celery import shared_task
from django.db import connection

from gateway.engines import kept_loads, look_at_engines
from gateway.gpus import keep_gpus
from gateway.returning import returned, tell_returned
from gateway.usage import reconcile_providers
from guildhall.kernel.actor import system_actor
from guildhall.kernel.jobs import job
from guildhall.kernel.tenancy import current_tenant, platform_scope
from tenants.models import Tenant, TenantStatus


@job("default")
def reconcile_tenant() -> None:
    """Compare the last 25 hours of the message's tenant. Doing it again makes another comparison and changes no charge twice."""
    reconcile_providers(actor=system_actor("cashier", current_tenant()))


@shared_task(name="gateway.tasks.reconcile_ledgers", ignore_result=True)
def reconcile_ledgers() -> None:
    """Nightly: all tenants that are open."""
    with platform_scope():
        schemas = list(Tenant.objects.filter(status=TenantStatus.ACTIVE).values_list("schema_name", flat=True))
    connection.close()
    for schema in schemas:
        reconcile_tenant.send(schema)


@shared_task(name="gateway.tasks.look_at_engines", ignore_result=True, expires=5)
def look_at_all_engines() -> None:
    """Every few seconds: how busy every deployment's engine is, which are there again, and this machine's GPUs."""
    before = kept_loads()
    with platform_scope():
        now = look_at_engines()
    connection.close()
    tell_returned(returned(before, now))
    keep_gpus()
