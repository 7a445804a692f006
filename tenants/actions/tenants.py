"""Creating, opening, suspending and resuming tenants. They run in the platform's scope."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from guildhall.kernel.reasons import checked_reason, reason_problems
from tenants.auth.hosts import host_problems
from tenants.events import TenantCreated, TenantOpened, TenantPlanChanged, TenantResumed, TenantSuspended
from tenants.models import ENDED, Domain, Plan, Tenant, TenantStatus
from tenants.models.tenant import RESERVED_SLUGS, SLUG, schema_for


@governed("tenant.create", lock=None)
def create_tenant(*, actor: Actor, slug: str, name: str, host: str) -> Tenant:
    """Write down a new tenant, to be provisioned next. Raises `Invalid` on bad names, `Conflict` on taken ones."""
    host = host.strip().lower()
    _check_names(slug, name, host)
    try:
        with transaction.atomic():
            tenant: Tenant = Tenant.objects.create(slug=slug, name=name.strip(), schema_name=schema_for(slug))
            Domain.objects.create(domain=host, tenant=tenant, is_primary=True)
    except (IntegrityError, ValidationError) as error:
        raise Conflict(f"An organisation {slug!r} or a host {host!r} exists already; choose another name.") from error
    record(TenantCreated(subject=tenant.ref, slug=slug, name=tenant.name, schema_name=tenant.schema_name), actor=actor)
    return tenant


def _check_names(slug: str, name: str, host: str) -> None:
    fields: dict[str, list[str]] = {}
    try:
        SLUG(slug)
    except ValidationError as error:
        fields["slug"] = list(error.messages)
    if len(slug) > 40:
        fields["slug"] = ["At most 40 characters."]
    if slug in RESERVED_SLUGS or slug == "template":
        fields["slug"] = [f"{slug!r} is reserved; choose another name."]
    if not name.strip() or len(name) > 120:
        fields["name"] = ["Give a name of 1 to 120 characters."]
    if problems := host_problems(host):
        fields["host"] = problems
    if fields:
        raise Invalid("The organisation's names were not accepted.", fields=fields)


@governed("tenant.open", lock="tenant")
def open_tenant(*, actor: Actor, tenant: Tenant) -> Tenant:
    """Let a provisioned tenant in."""
    if tenant.status != TenantStatus.PROVISIONING:
        raise Conflict(f"{tenant.name} is {tenant.get_status_display().lower()}, not being set up.")
    tenant.status = TenantStatus.ACTIVE
    tenant.save(update_fields=["status"])
    record(TenantOpened(subject=tenant.ref, slug=tenant.slug), actor=actor)
    return tenant


@governed("tenant.suspend", lock="tenant")
def suspend_tenant(*, actor: Actor, tenant: Tenant, reason: str) -> Tenant:
    """Refuse everybody at every door of the tenant, with `reason` (10 to 300 characters)."""
    why = checked_reason(reason)
    if tenant.status != TenantStatus.ACTIVE:
        raise Conflict(f"{tenant.name} is {tenant.get_status_display().lower()}; only an active one can be suspended.")
    tenant.status, tenant.status_reason = TenantStatus.SUSPENDED, why
    tenant.save(update_fields=["status", "status_reason"])
    record(TenantSuspended(subject=tenant.ref, slug=tenant.slug, reason=tenant.status_reason), actor=actor)
    return tenant


@governed("tenant.resume", lock="tenant")
def resume_tenant(*, actor: Actor, tenant: Tenant, reason: str = "") -> Tenant:
    """Let a suspended tenant work again. `reason`, up to 300 characters, goes into the audit trail."""
    if len(reason) > 300:
        raise Invalid("Say why in at most 300 characters.", fields={"reason": ["At most 300 characters."]})
    if tenant.status != TenantStatus.SUSPENDED:
        raise Conflict(f"{tenant.name} is {tenant.get_status_display().lower()}, not suspended.")
    tenant.status, tenant.status_reason = TenantStatus.ACTIVE, ""
    tenant.save(update_fields=["status", "status_reason"])
    record(TenantResumed(subject=tenant.ref, slug=tenant.slug), actor=actor, reason=reason.strip())
    return tenant


@governed("tenant.set_plan", lock="tenant")
def set_plan(*, actor: Actor, tenant: Tenant, plan: str, reason: str) -> Tenant:
    """Let an organisation ask as often as `plan` says, with `reason` (10 to 300 characters), within half a minute.

    Raises `Invalid`, and `Conflict` when it has that plan already or has left.
    """
    fields: dict[str, list[str]] = {}
    if plan not in Plan.values:
        fields["plan"] = [f"Choose one of {', '.join(Plan.values)}."]
    if problems := reason_problems(reason):
        fields["reason"] = problems
    if fields:
        raise Invalid("The plan was not changed.", fields=fields)
    if tenant.status in ENDED:
        raise Conflict(f"{tenant.name} is {tenant.get_status_display().lower()}.")
    before = tenant.plan
    if plan == before:
        raise Conflict(f"{tenant.name} has the plan {plan} already.")
    tenant.plan = plan
    tenant.save(update_fields=["plan"])
    changed = TenantPlanChanged(subject=tenant.ref, slug=tenant.slug, before=before, after=plan)
    record(changed, actor=actor, before={"plan": before}, after={"plan": plan}, reason=reason.strip())
    return tenant
