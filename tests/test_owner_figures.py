"""What owners see of organisations' costs and agents: figures that are right, an audit entry, and no word of theirs."""

from dataclasses import replace
from decimal import Decimal

import pytest

from governance.actions.money import reserve, settle
from governance.actions.reputation import adjust_reputation
from governance.pricing import Usage
from governance.scopes import Scope, ScopeKind
from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.errors import Denied
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.figures import read_figures
from tenants.models import Tenant
from tests.support.clients import signed_in
from tests.support.console import console, new_owner, recorded
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
PLACE = "/admin/tenants/tenant/figures/"


def test_owners_see_figures_and_that_they_looked_is_written_down(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        reservation = reserve(
            actor=tenant.agent("developer", "secret-name"),
            key="secret-key",
            amount=Decimal("0.30"),
            scopes=[Scope(ScopeKind.STORY, "SECRET-1")],
            owner="story:SECRET-1",
            model="secret-model",
            price_version="1",
            ttl_s=60,
        )
        settle(actor=tenant.system(), reservation=reservation, usage=Usage(10, 10), cost=Decimal("0.2345"))
        for agent, points in (("agent:secret-name", -60), ("agent:secret-other", 35)):
            adjust_reputation(
                actor=tenant.actor("admin"), agent=agent, points=points, source="x", reason="a secret reason of theirs"
            )
    with platform_scope():
        before = Tenant.objects.filter(slug__lt=tenant.slug).count()
    owner = new_owner()
    answer = console(owner).get(f"{PLACE}?page={before // 20 + 1}")
    shown = answer.content.decode()
    assert "secret" not in shown.lower()
    [row] = [part for part in shown.split("<tr ") if f">{tenant.slug}<" in part]
    assert all(words in row for words in ("$0.2345", "$10.00", "1 sandbox, 1 prod, low risk", "40 to 135"))
    read = recorded("platform", kind="tenancy.figures.read")
    [entry] = [found for found in read if found["actor"]["ref"] == f"owner:{owner.actor.id}"]
    assert tenant.slug in entry["event"]["slugs"]


def test_nobody_else_reads_them(tenant: TestTenant) -> None:
    assert signed_in(tenant, tenant.member("admin")).get(PLACE).status_code == 404
    with platform_scope():
        rows = list(Tenant.objects.filter(slug=tenant.slug))
        for actor in (tenant.actor("admin"), tenant.agent("developer", "mason")):
            with pytest.raises(Denied):
                read_figures(actor=replace(actor, tenant=PLATFORM), tenants=rows)
