"""From a tenant's row to a tenant that works."""

from django.conf import settings
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.seeds import run_seeds
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from psycopg.errors import DuplicateSchema

from tenants.actions.tenants import open_tenant
from tenants.models import SchemaTemplate, Tenant, TenantStatus
from tenants.provisioning.schema import make_schema


def provision(tenant: Tenant) -> Tenant:
    """Make schema, role and first rows of `tenant` and open it. Safe to run again after a crash at any point."""
    with platform_scope():
        tenant = Tenant.objects.get(pk=tenant.pk)
        template = SchemaTemplate.objects.order_by("-id").first()
    if template is None:
        raise Unavailable("The tenant template is missing; run `manage.py migrate_platform`.")
    if tenant.status != TenantStatus.PROVISIONING:
        return tenant
    try:
        make_schema(tenant.schema_name, template.sql)
    except DuplicateSchema:
        # An earlier try made it: schema, role and grants come in one transaction, so it is whole.
        pass
    with tenant_scope(tenant.schema_name):
        run_seeds(tenant.schema_name)
    with platform_scope():
        return open_tenant(actor=system_actor("provisioner", PLATFORM), tenant=tenant)


def host_for(slug: str) -> str:
    """The host name that a tenant gets by itself."""
    return f"{slug}.{settings.PUBLIC_HOST}"
