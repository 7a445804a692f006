"""The owner's kill switch: no run begins and no model is called in any organisation, until it is lifted."""

from collections.abc import Iterator

import pytest
from django.db.models.functions import Now

from gateway.actions.holds import hold_platform, release_platform
from gateway.calls import ModelCall
from gateway.chat import Request
from gateway.completion import complete
from gateway.models import PlatformHold
from governance.actions.holds import lift_hold
from governance.selectors import is_held, total_spent
from governance.selectors.holds import Held
from gpu_workers.actions.halts import rest_under
from gpu_workers.actions.runs import take_run
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from gpu_workers.runs.engine import _hold_question, execute
from gpu_workers.runs.keeper import Keeper
from gpu_workers.tests.test_fences import queued
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.errors import Conflict, Denied
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.support.clients import Browser
from tests.support.console import console, errors, new_owner, recorded
from tests.support.processes import until
from tests.support.pump import consume, relay
from tests.support.tenants import Member, TestTenant
from tests.support.world import scripted_model

pytestmark = pytest.mark.integration
HOLDS = "/admin/gateway/platformhold/"
REASON = "A model provider leaks what it is sent."


@pytest.fixture
def owner(database: None) -> Member:
    return new_owner()


@pytest.fixture
def browser(owner: Member) -> Iterator[Browser]:
    """An owner's; whatever the test did, nothing is on hold afterwards."""
    yield console(owner)
    with platform_scope():
        for hold in PlatformHold.objects.filter(lifted_at=None):
            release_platform(actor=system_actor("tests", PLATFORM), hold=hold)


def refused(tenant: TestTenant, run: Run) -> None:
    """In the tenant's scope: the run is not taken, no model is called, and nobody here can end the hold."""
    execute(run.number)
    run.refresh_from_db()
    assert (run.state, run.fence) == (RunState.QUEUED, 0)
    question = Request([{"role": "user", "content": "What first?"}], max_tokens=50)
    with pytest.raises(Held, match=f"everything on this platform is on hold: {REASON}"):
        complete(
            actor=tenant.agent("developer", "mason"),
            model_call=ModelCall(route="code", key="plan", owner=run.ref, request=question),
        )
    with pytest.raises(Conflict, match="Only the owner"):
        lift_hold(actor=tenant.actor("admin"), kind="tenant", target="")
    with pytest.raises(Denied):
        hold_platform(actor=tenant.actor("admin"), reason=REASON)


def test_an_owner_stops_and_releases_the_agents_of_every_organisation(
    tenant: TestTenant, other_tenant: TestTenant, owner: Member, browser: Browser
) -> None:
    runs = {}
    for organisation in (tenant, other_tenant):
        with tenant_scope(organisation.schema):
            runs[organisation.schema] = queued(organisation)
    with tenant_scope(tenant.schema):
        actor = tenant.agent("developer", "mason")
        busy = take_run(actor=actor, run=queued(tenant, subject="task:SHOP-1.2"), worker="a worker")
        keeper = Keeper(tenant.schema, busy.pk, busy.fence, _hold_question(busy))
    with scripted_model([{"reply": {"text": "Read the code."}}]) as model, keeper:
        assert "reason" in errors(browser.submit(f"{HOLDS}add/", {"reason": "short"}))
        assert browser.submit(f"{HOLDS}add/", {"reason": REASON}).status_code == 302
        assert "already" in browser.submit(f"{HOLDS}add/", {"reason": REASON}).content.decode()
        for organisation in (tenant, other_tenant):
            with tenant_scope(organisation.schema):
                refused(organisation, runs[organisation.schema])
        assert keeper.stop.wait(60)
        assert REASON in keeper.reason
        with tenant_scope(tenant.schema):
            mine = Run.objects.filter(pk=busy.pk)
            mine.update(lease_until=Now())
            until(lambda: mine.filter(lease_until__gt=Now()).exists(), what="what it is still at stays its own")
        assert model.journal == []
        with platform_scope():
            hold = PlatformHold.objects.get(lifted_at=None)
        with tenant_scope(tenant.schema):
            assert keeper.hold is not None
            rest_under(actor=actor, run=busy, fence=busy.fence, hold=keeper.hold)
        relay()
        consume(tenant.schema)
        consume(tenant.schema)
        shown = browser.get(f"{HOLDS}{hold.pk}/change/").content.decode()
        assert f"{tenant.slug.upper()}: 1 run" in shown
        assert "1 run of 1 organisation" in browser.get(HOLDS).content.decode()
        another = console(new_owner())
        for page in (HOLDS, f"{HOLDS}{hold.pk}/change/"):
            listed = another.get(page).content.decode()
            assert (owner.actor.name in listed, owner.actor.ref in listed) == (True, False), page
        assert REASON in browser.get("/admin/").content.decode(), "the console's first page says so"
        assert recorded(hold.ref, kind="gateway.platform.held")[0]["actor"]["kind"] == "owner"
        assert browser.submit(f"{HOLDS}{hold.pk}/release/", {}).status_code == 302
    for organisation in (tenant, other_tenant):
        with tenant_scope(organisation.schema):
            assert is_held() is None
            assert total_spent() == 0
            execute(runs[organisation.schema].number)
            assert Run.objects.get(pk=runs[organisation.schema].pk).fence == 1, "it is taken up by itself"
