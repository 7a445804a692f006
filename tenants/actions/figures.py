"""Owners' look at what organisations spend. In the platform's scope."""

from collections.abc import Sequence
from dataclasses import dataclass

from governance.selectors.figures import Figures, figures
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import tenant_scope
from tenants.figures_events import FiguresRead
from tenants.models import Tenant, TenantStatus

READABLE = (TenantStatus.ACTIVE, TenantStatus.SUSPENDED)
"""States in which an organisation's schema is there and whole."""


@dataclass(frozen=True, slots=True)
class TenantFigures:
    """An organisation with its figures; None while it has none to read."""

    tenant: Tenant
    figures: Figures | None


def read_figures(*, actor: Actor, tenants: Sequence[Tenant]) -> list[TenantFigures]:
    """The figures of these organisations, one after the other, each read as the organisation's own role and in its scope.

    That an owner looks, and at whom, is written down before anything is read. Raises `Denied`.
    """
    readable = [tenant for tenant in tenants if tenant.status in READABLE]
    if readable:
        write_down_reading(actor=actor, slugs=[tenant.slug for tenant in readable])
    return [TenantFigures(tenant, _of(tenant) if tenant in readable else None) for tenant in tenants]


def _of(tenant: Tenant) -> Figures:
    with tenant_scope(tenant.schema_name):
        return figures()


@governed("tenant.read_figures", lock=None)
def write_down_reading(*, actor: Actor, slugs: list[str]) -> None:
    """Record that `actor` reads the figures of these organisations."""
    record(FiguresRead(subject="platform", slugs=slugs), actor=actor)
