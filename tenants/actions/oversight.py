"""Owners' look at how organisations are governed: counts, kinds and times. In the platform's scope."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from governance.selectors.figures import Figures, figures
from governance.selectors.money import spend_by_day
from governance.selectors.oversight import Detail, Overview, detail, overview
from governance.views import DaySpend
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from guildhall.kernel.tenancy import tenant_scope
from tenants.actions.figures import READABLE
from tenants.models import Tenant
from tenants.oversight_events import GovernanceRead

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """An organisation with what was read of it; None while it has nothing to read."""

    tenant: Tenant
    found: T | None


@dataclass(frozen=True, slots=True)
class Whole:
    """All that an owner sees of one organisation without leave to look closer."""

    detail: Detail
    figures: Figures
    days: list[DaySpend]


def read_overviews(*, actor: Actor, tenants: Sequence[Tenant]) -> list[Seen[Overview]]:
    """How the governance of these organisations stands, one after the other, each read as its own role and in its scope.

    That an owner looks, and at whom, is written down before anything is read. Raises `Denied`.
    """
    return _read(actor, tenants, overview)


def read_detail(*, actor: Actor, tenant: Tenant) -> Whole:
    """The same of one organisation, whole. Raises `Denied`, and `Conflict` while it has nothing to read."""
    (seen,) = _read(actor, [tenant], lambda: Whole(detail(), figures(), spend_by_day()))
    if seen.found is None:
        raise Conflict(f"{tenant.name} is {tenant.get_status_display().lower()}: there is nothing to read.")
    return seen.found


def _read(actor: Actor, tenants: Sequence[Tenant], look: Callable[[], T]) -> list[Seen[T]]:
    readable = [tenant for tenant in tenants if tenant.status in READABLE]
    if readable:
        write_down_reading(actor=actor, slugs=[tenant.slug for tenant in readable])
    return [Seen(tenant, _in(tenant, look) if tenant in readable else None) for tenant in tenants]


def _in(tenant: Tenant, look: Callable[[], T]) -> T:
    with tenant_scope(tenant.schema_name):
        return look()


@governed("tenant.read_governance", lock=None)
def write_down_reading(*, actor: Actor, slugs: list[str]) -> None:
    """Record that `actor` reads how the governance of these organisations stands."""
    record(GovernanceRead(subject="platform", slugs=slugs), actor=actor)
