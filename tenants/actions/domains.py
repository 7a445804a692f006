"""Host names that lead to a tenant besides its first one. In the platform's scope."""

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict, Invalid
from tenants.auth.hosts import host_problems
from tenants.events import DomainAdded, DomainRemoved
from tenants.models import ENDED, Domain, Tenant


@governed("domain.add", lock="tenant")
def add_domain(*, actor: Actor, tenant: Tenant, host: str) -> Domain:
    """Let `host` lead to `tenant` as well.

    Raises `Invalid` when it is no host name or leads somewhere already, `Conflict` for a tenant that has left.
    """
    name = host.strip().lower()
    problems = host_problems(name)
    if tenant.status in ENDED:
        raise Conflict(f"{tenant.name} is {tenant.get_status_display().lower()}.")
    if problems:
        raise Invalid("The host name was not accepted.", fields={"domain": problems})
    known = {"domain": ["This host leads to an organisation already."]}
    with taken_raises(Invalid("The host name was not accepted.", fields=known)):
        domain: Domain = Domain.objects.create(domain=name, tenant=tenant, is_primary=False)
    record(DomainAdded(subject=tenant.ref, host=name), actor=actor)
    return domain


@governed("domain.remove", lock="domain")
def remove_domain(*, actor: Actor, domain: Domain) -> None:
    """Let a host name lead nowhere; processes that know it forget it within 30 s. A tenant keeps its first one."""
    if domain.is_primary:
        raise Conflict("An organisation keeps its first host name.")
    if domain.tenant.status in ENDED:
        raise Conflict("The names of an organisation that has left are given to nobody else.")
    record(DomainRemoved(subject=domain.tenant.ref, host=domain.domain), actor=actor)
    domain.delete()
