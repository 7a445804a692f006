"""For which tenants background jobs are run."""

from guildhall.kernel.actor import PLATFORM
from tenants.models import Tenant, TenantStatus


def why_closed(tenant: str) -> str | None:
    """Why no job runs for the tenant in whose scope this is asked; None when jobs run. The platform is never closed."""
    if tenant == PLATFORM:
        return None
    row = Tenant.objects.filter(schema_name=tenant).first()
    if row is None:
        return "there is no such tenant"
    if row.status in (TenantStatus.SUSPENDED, TenantStatus.QUARANTINED):
        return f"{row.get_status_display().lower()}: {row.status_reason}"
    return None
