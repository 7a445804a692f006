"""An owner's leave to read one organisation's audit trail: given for hours, with a reason, and told to the organisation.

Every look is written down twice before anything is read: on the platform's trail, and on the organisation's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, timedelta
from typing import TypeVar

from django.db.models.functions import Now

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid
from guildhall.kernel.reasons import reason_problems
from guildhall.kernel.tenancy import tenant_scope
from tenants.actions.figures import READABLE
from tenants.models import SupportGrant, Tenant
from tenants.models.oversight import LONGEST
from tenants.oversight_events import SupportEnded, SupportLooked, SupportOpened

T = TypeVar("T")
HOURS = int(LONGEST.total_seconds() // 3600)


def support_grant(actor: Actor, tenant: Tenant) -> SupportGrant | None:
    """The owner's own leave for this organisation while it lasts. In the platform's scope."""
    rows = SupportGrant.objects.filter(tenant=tenant, owner=actor.ref, ended_at=None, until__gt=Now())
    return rows.order_by("-id").first()


def open_support(*, actor: Actor, tenant: Tenant, reason: str, hours: int) -> SupportGrant:
    """Take leave for 1 to `HOURS` hours; one that lasts still is replaced. The organisation reads of it in its trail.

    Raises `Invalid`, `Conflict` while the organisation has nothing to read, `Denied` for whoever is no owner.
    """
    grant = _open(actor=actor, tenant=tenant, reason=" ".join(reason.split()), hours=hours)
    opened = SupportOpened(
        subject=tenant.ref, slug=tenant.slug, until=grant.until.astimezone(UTC).isoformat(), reason=grant.reason
    )
    with tenant_scope(tenant.schema_name):
        _tell(actor=replace(actor, tenant=tenant.schema_name), event=opened, reason=grant.reason)
    return grant


@governed("support.open", lock="tenant")
def _open(*, actor: Actor, tenant: Tenant, reason: str, hours: int) -> SupportGrant:
    problems: dict[str, list[str]] = {}
    if wrong := reason_problems(reason):
        problems["reason"] = [*wrong, "The people of the organisation read it."]
    if not 1 <= hours <= HOURS:
        problems["hours"] = [f"1 to {HOURS} hours."]
    if problems:
        raise Invalid("Leave to look was not given.", fields=problems)
    if tenant.status not in READABLE:
        raise Conflict(f"{tenant.name} is {tenant.get_status_display().lower()}: there is nothing to read.")
    SupportGrant.objects.filter(tenant=tenant, owner=actor.ref, ended_at=None).update(ended_at=Now())
    until = Now() + timedelta(hours=hours)
    grant = SupportGrant.objects.create(tenant=tenant, owner=actor.ref, reason=reason, until=until)
    grant.refresh_from_db()
    event = SupportOpened(
        subject=tenant.ref, slug=tenant.slug, until=grant.until.astimezone(UTC).isoformat(), reason=reason
    )
    record(event, actor=actor, reason=reason)
    return grant


@governed("support.end", lock="grant")
def end_support(*, actor: Actor, grant: SupportGrant) -> None:
    """Give leave back before its time. Raises `Conflict` when it is over, `Denied` for another owner's."""
    if grant.owner != actor.ref:
        raise Denied("It is another owner's leave.")
    if grant.ended_at is not None:
        raise Conflict("It is over already.")
    SupportGrant.objects.filter(pk=grant.pk).update(ended_at=Now())
    record(SupportEnded(subject=grant.tenant.ref, slug=grant.tenant.slug), actor=actor)


def look(*, actor: Actor, tenant: Tenant, what: str, asked: Mapping[str, str], read: Callable[[Actor], T]) -> T:
    """What `read` finds in the organisation's scope, called with the owner as they act there.

    `what` names it and `asked` what is searched for; both are written down on both trails first. Raises `Denied`
    without leave that lasts.
    """
    event = _look(actor=actor, tenant=tenant, what=what, asked=dict(asked))
    inside = replace(actor, tenant=tenant.schema_name)
    with tenant_scope(tenant.schema_name):
        _tell(actor=inside, event=event, reason=event.reason)
        return read(inside)


@governed("support.look", lock="tenant")
def _look(*, actor: Actor, tenant: Tenant, what: str, asked: dict[str, str]) -> SupportLooked:
    grant = support_grant(actor, tenant)
    if grant is None or tenant.status not in READABLE:
        raise Denied(f"You have no leave to look into {tenant.name}, or its time is over.")
    event = SupportLooked(subject=tenant.ref, slug=tenant.slug, what=what, asked=asked, reason=grant.reason)
    record(event, actor=actor, reason=grant.reason)
    return event


@governed("support.tell", lock=None)
def _tell(*, actor: Actor, event: SupportOpened | SupportLooked, reason: str) -> None:
    """The same on the organisation's own trail."""
    record(event, actor=actor, reason=reason)
