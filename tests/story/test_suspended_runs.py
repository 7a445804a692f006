"""An organisation is suspended while an agent is in the middle of a model call: nothing more is spent until it is resumed."""

import threading

import pytest
from django.db import connection

from gateway.calls import ModelCall
from gateway.chat import Request
from gateway.completion import complete
from governance.selectors import total_spent
from governance.selectors.holds import Held
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from gpu_workers.runs.engine import execute
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.tenants import resume_tenant, suspend_tenant
from tenants.models import Tenant
from tests.story.test_engine_faults import acting, settled, well
from tests.support.busy import queue_many
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model

pytestmark = pytest.mark.integration
REASON = "Has not paid for a year."


def change(tenant: TestTenant, *, suspended: bool) -> None:
    with platform_scope():
        act = suspend_tenant if suspended else resume_tenant
        row = Tenant.objects.get(schema_name=tenant.schema)
        act(actor=system_actor("tests", PLATFORM), tenant=row, reason=REASON)


def at_work(tenant: TestTenant, number: int) -> threading.Thread:
    """A worker of its own, at this run."""

    def work() -> None:
        try:
            with tenant_scope(tenant.schema):
                execute(number)
        finally:
            connection.close()

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    return worker


def test_a_run_of_a_suspended_organisation_stops_and_goes_on_when_it_is_resumed(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    (number,) = queue_many(world, 1)
    with scripted_model([acting(hold=True, reply={"text": "Nobody hears this."}), *well()]) as model:
        worker = at_work(tenant, number)
        assert model.holding.wait(60), "the plan is made, and the call after it is on its way"
        change(tenant, suspended=True)
        worker.join(120)
        assert not worker.is_alive()
        model.script = well()
        with tenant_scope(tenant.schema):
            run = Run.objects.get(number=number)
            assert (run.state, run.lease_until, REASON in run.reason) == (RunState.QUEUED, None, True)
            settled()
            spent, asked = total_spent(), len(model.journal)
            execute(number)
            with pytest.raises(Held, match=REASON):
                complete(
                    actor=tenant.agent("developer", "mason"),
                    model_call=ModelCall(
                        route="code",
                        key="other",
                        owner=run.ref,
                        request=Request([{"role": "user", "content": "What first?"}], max_tokens=50),
                    ),
                )
            run.refresh_from_db()
            assert (run.fence, total_spent(), len(model.journal)) == (2, spent, asked), "nothing was taken or spent"
        change(tenant, suspended=False)
        with tenant_scope(tenant.schema):
            execute(number)
            run.refresh_from_db()
            assert (run.state, run.changes.count()) == (RunState.SUCCEEDED, 1), run.reason
            assert run.steps.filter(key="plan").count() == 1, "what was paid for is not repeated"
            settled()
