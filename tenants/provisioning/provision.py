"""From a tenant's row to a tenant that works."""

from django.conf import settings

from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.seeds import run_seeds
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.tenants import open_tenant
from tenants.models import SchemaTemplate, Tenant, TenantStatus
from tenants.provisioning.schema import ensure_schema, provisioning_lock


def provision(tenant: Tenant) -> Tenant:
    """Make schema, role and first rows of `tenant` and open it. Safe to run again after a crash at any point.

    Raises `Unavailable` before the database has been migrated, `ForeignSchema` when the schema is somebody else's.
    """
    with provisioning_lock(tenant.schema_name):
        with platform_scope():
            tenant = Tenant.objects.get(pk=tenant.pk)
            template = SchemaTemplate.objects.order_by("-id").first()
        if tenant.status == TenantStatus.QUARANTINED:
            raise Unavailable(f"{tenant.name} is quarantined: {tenant.status_reason}")
        if tenant.status != TenantStatus.PROVISIONING:
            return tenant
        if template is None:
            raise Unavailable("The tenant template is missing; run `manage.py migrate_platform`.")
        ensure_schema(tenant.schema_name, template.sql, mark=f"tenant {tenant.pk}")
        with tenant_scope(tenant.schema_name):
            run_seeds(tenant.schema_name)
        with platform_scope():
            return open_tenant(actor=system_actor("provisioner", PLATFORM), tenant=tenant)


def host_for(slug: str) -> str:
    """The host name that a tenant gets by itself."""
    return f"{slug}.{settings.PUBLIC_HOST}"
