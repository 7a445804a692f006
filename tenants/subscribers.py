"""What follows from events on the platform's own stream, and what owners are told of organisations' own."""

from governance.approval_events import ApprovalRetried
from governance.events import ApprovalExecuted, ApprovalStalled, ApprovalVoided
from governance.selectors.oversight import stalled
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.tenancy import platform_scope
from tenants.archive_events import TenantArchiveOrdered
from tenants.archiving.archive import archive
from tenants.events import TenantCreated
from tenants.models import StalledApprovals, Tenant, TenantStatus
from tenants.provisioning.provision import provision


@consumer("tenants.provision", kinds=[TenantCreated], platform=True, queue="provisioning")
def provision_created(event: Delivered) -> None:
    """Make what a written-down tenant needs and open it. A row that is gone by now needs nothing, nor one that was open.

    Schemas and roles are made with the owner's login, which the workers of this queue alone are told.
    """
    data = event.data
    if not isinstance(data, TenantCreated):
        raise TypeError(f"{event.kind} at {event.position} is no creation of a tenant")
    with platform_scope():
        tenant = Tenant.objects.filter(schema_name=data.schema_name).first()
    if tenant is not None and not _was_opened(tenant):
        provision(tenant)


def _was_opened(tenant: Tenant) -> bool:
    """Whether its migration failed after it had been opened: told again, its creation has nothing left to make."""
    return tenant.status == TenantStatus.QUARANTINED and tenant.status_before != TenantStatus.PROVISIONING


@consumer("tenants.archive", kinds=[TenantArchiveOrdered], platform=True, queue="provisioning")
def archive_ordered(event: Delivered) -> None:
    """Export and drop an organisation that was archived; told again, it goes on where it ended, or finds nothing to do."""
    data = event.data
    if not isinstance(data, TenantArchiveOrdered):
        raise TypeError(f"{event.kind} at {event.position} orders no archiving")
    archive(data.schema_name)


@consumer("tenants.stalled", kinds=[ApprovalStalled, ApprovalRetried, ApprovalExecuted, ApprovalVoided])
def keep_stalled(event: Delivered) -> None:
    """Approvals were given and are not executed, or are by now: owners see how many there are and since when."""
    number, since = stalled()
    row = StalledApprovals.objects.filter(tenant_id=event.tenant)
    if not number or since is None:
        row.delete()
    elif not row.update(number=number, since=since):
        StalledApprovals.objects.create(tenant_id=event.tenant, number=number, since=since)
