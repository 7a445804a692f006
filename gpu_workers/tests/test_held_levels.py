"""A kill switch of one strategy, agent or run stops exactly the running work that it names."""

from contextlib import ExitStack

import pytest

from governance.actions.holds import lift_hold, place_hold
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.actions.runs import NewRun, advance_run, queue_run, take_run
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import Phase, RunKind, RunState
from gpu_workers.runs.engine import _hold_question
from gpu_workers.runs.keeper import Keeper
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


def at_work(tenant: TestTenant, agent: str, strategy: str) -> tuple[Run, Actor]:
    """A running run of its own for `agent`, within `strategy`."""
    row, subject = Agent.objects.get(name=agent), f"task:SHOP-{strategy}.1"
    new = NewRun(RunKind.WORK, subject, f"story:SHOP-{strategy}", "Do it", f"{subject}:1", strategy=strategy)
    run = queue_run(actor=tenant.system(), agent=row, new=new)
    return take_run(actor=row.actor(), run=run, worker=agent), row.actor()


def test_a_strategys_an_agents_and_a_runs_switch_stop_their_running_work_and_no_other(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        admin = tenant.actor("admin")
        held, mason = at_work(tenant, "mason", "7")
        other, wren = at_work(tenant, "wren", "8")
        for kind, target in (("strategy", "7"), ("agent", mason.ref), ("run", str(held.number))):
            with ExitStack() as stack:
                stopped, goes_on = (
                    stack.enter_context(Keeper(tenant.schema, run.pk, run.fence, _hold_question(run)))
                    for run in (held, other)
                )
                hold = place_hold(actor=admin, kind=kind, target=target, reason="It loops.")
                assert [one["ref"] for one in hold.stopped] == [held.ref], kind
                assert stopped.stop.wait(120), "its worker is told"
                assert not goes_on.stop.is_set()
            with pytest.raises(LeaseLost):
                advance_run(actor=mason, run=held, fence=held.fence, phase=Phase.EXECUTOR, round_=0)
            with pytest.raises(LeaseLost, match="It loops"):
                take_run(actor=mason, run=held, worker="another")
            states = dict(Run.objects.values_list("number", "state"))
            assert states == {held.number: RunState.QUEUED, other.number: RunState.RUNNING}, kind
            advance_run(actor=wren, run=other, fence=other.fence, phase=Phase.EXECUTOR, round_=0)
            lift_hold(actor=admin, kind=kind, target=target)
            Run.objects.filter(pk=held.pk).update(lease_until=None)
            held = take_run(actor=mason, run=held, worker="again")
