"""What people are asked about a budget makes the room that is lacking, whatever was told when the call was refused."""

from decimal import Decimal

import pytest

from governance.actions.limits import set_limit
from governance.actions.money import reserve
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import active_policy, approval, budgets, pending_for
from governance.tests.asking import answer
from governance.views import ApprovalView
from gpu_workers.actions.runs import Ending, end_run, take_run
from gpu_workers.budgets import look_at_waiting
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from gpu_workers.tests.test_fences import queued
from guildhall.kernel.errors import Conflict, LimitExceeded
from guildhall.kernel.tenancy import tenant_scope
from tests.support.policies import put_policy
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


class Purse:
    """One story's total limit, and runs that spend of it."""

    def __init__(self, tenant: TestTenant, limit: str) -> None:
        self.tenant, self.owner = tenant, tenant.actor("product_owner")
        for window in (Window.HOUR, Window.DAY):
            self.limit("100", ScopeKind.TENANT, "", window)
        self.limit(limit)
        self.tell()

    def limit(
        self, amount: str, kind: ScopeKind = ScopeKind.STORY, scope_id: str = "S", window: Window = Window.TOTAL
    ) -> None:
        set_limit(actor=self.tenant.actor("admin"), kind=kind, scope_id=scope_id, window=window, amount=Decimal(amount))

    def spend(self, run: Run, amount: str) -> None:
        """The run's next call: reserved, or the run waits with what it was refused."""
        actor = self.tenant.agent("developer", "mason")
        run = take_run(actor=actor, run=run, worker="here")
        try:
            reserve(
                actor=actor,
                key=f"{run.number}.{run.fence}",
                amount=Decimal(amount),
                scopes=[Scope(ScopeKind.STORY, "S")],
                owner=run.ref,
                model="small",
                price_version="1",
                ttl_s=600,
            )
        except LimitExceeded as refusal:
            ending = Ending(RunState.WAITING, refusal.detail, {"budget": refusal.extra})
            end_run(actor=actor, run=run, fence=run.fence, ending=ending)

    def tell(self) -> None:
        """What consumers make of all that has happened."""
        for _ in range(4):
            relay()
            consume(self.tenant.schema)

    def asked(self) -> ApprovalView:
        [one] = [view for view in pending_for(self.owner) if view.kind == "budget_override"]
        return one

    def left(self) -> Decimal:
        [one] = budgets(kind=ScopeKind.STORY)
        return one.left


def state_of(run: Run) -> str:
    return str(Run.objects.get(pk=run.pk).state)


def test_one_yes_makes_room_for_what_was_asked(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        purse = Purse(tenant, "10")
        first, second = queued(tenant), queued(tenant, subject="task:SHOP-1.2")
        purse.spend(first, "8.0012")
        purse.limit("5")
        purse.tell()
        purse.spend(second, "0.1234")
        purse.tell()
        asked = purse.asked()
        assert asked.binding["ceiling_usd"] == "8.13", "8.0012 is used: 7.50 would make no room at all"
        assert "3.0012 USD more than the limit is used already" in asked.summary
        answer(purse.owner, asked)
        purse.tell()
        assert (state_of(second), purse.left()) == (RunState.QUEUED, Decimal("0.1288"))
        little, more = (queued(tenant, subject=f"task:SHOP-1.{number}") for number in (3, 4))
        purse.spend(little, "1")
        purse.tell()
        before = purse.asked()
        purse.spend(more, "4.2")
        purse.tell()
        assert (before.binding["ceiling_usd"], purse.asked().binding["ceiling_usd"]) == ("12.2", "12.21")
        assert approval(purse.owner, before.number).state == "void", "12.2012 is what the other one needs"


def test_what_others_took_since_is_asked_for_too(tenant: TestTenant) -> None:
    """A run is refused while the yes to another one's question is on its way, which takes most of what that makes room for."""
    with tenant_scope(tenant.schema):
        purse = Purse(tenant, "10")
        paid, first, second = (queued(tenant, subject=f"task:SHOP-1.{number}") for number in range(3))
        purse.spend(paid, "9.5")
        purse.spend(first, "5.2")
        purse.tell()
        asked = purse.asked()
        assert asked.binding["ceiling_usd"] == "15"
        answer(purse.owner, asked)
        purse.spend(second, "6")
        purse.tell()
        assert (state_of(first), state_of(second)) == (RunState.QUEUED, RunState.WAITING)
        purse.spend(first, "5.2")
        look_at_waiting()
        asked = purse.asked()
        assert (asked.binding["limit_usd"], asked.binding["ceiling_usd"]) == ("15", "22.5")
        answer(purse.owner, asked)
        purse.tell()
        assert (state_of(second), purse.left()) == (RunState.QUEUED, Decimal("7.8"))


def test_a_question_under_another_policy_is_asked_anew(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        purse = Purse(tenant, "1")
        run = queued(tenant)
        purse.spend(run, "1.5")
        purse.tell()
        before = purse.asked()
        put_policy(tenant, active_policy().text.replace("agent_runs_per_day: 100", "agent_runs_per_day: 99"))
        with pytest.raises(Conflict, match="asked anew"):
            answer(purse.owner, before)
        purse.tell()
        asked = purse.asked()
        assert approval(purse.owner, before.number).state == "void"
        assert asked.binding == {**before.binding, "policy_version": active_policy().version}
        answer(purse.owner, asked)
        purse.tell()
        assert state_of(run) == RunState.QUEUED
