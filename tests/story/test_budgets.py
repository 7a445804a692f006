"""A run that meets its budget waits, says what to do, and goes on where it stopped once there is room."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models.functions import Now

from governance.actions.approvals import decide_approval
from governance.actions.limits import set_limit
from governance.scopes import ScopeKind, Window
from governance.selectors import approval, pending_for, spend_of
from governance.views import ApprovalView
from gpu_workers.actions.retries import retry_run
from gpu_workers.claims import keep_claims
from gpu_workers.models import Run, RunStep
from gpu_workers.models.run import RunState
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied
from guildhall.kernel.tenancy import tenant_scope
from tests.story.scripts import RIGHT, planning, verdicts, writing
from tests.story.test_bugfix_story import STORY
from tests.support.pump import settle
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.models import Task

pytestmark = pytest.mark.integration
SCRIPT = [*planning(), *writing(RIGHT, contains=["Carry the task out now."]), *verdicts()]


def limit(world: World, amount: str) -> None:
    kind, window = ScopeKind.RUN, Window.TOTAL
    with tenant_scope(world.tenant.schema):
        number = str(Run.objects.get(kind="work").number)
        admin = world.tenant.actor("admin")
        set_limit(actor=admin, kind=kind, scope_id=number, window=window, amount=Decimal(amount))


def decide(actor: Actor, asked: ApprovalView) -> None:
    decide_approval(actor=actor, approval=asked.number, decision="approve", binding_hash=asked.binding_hash)


def test_a_run_out_of_budget_goes_on_where_it_stopped(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")

    def tighten(boundary: str, key: str) -> None:
        if (boundary, key) == ("done", "executor.2"):
            limit(world, "0.001")

    with scripted_model(SCRIPT) as model:
        story = world.story(**STORY)
        settle(tenant.schema, tighten)
        with tenant_scope(tenant.schema):
            run = Run.objects.get(kind="work")
            assert run.state == RunState.WAITING
            assert f"the total limit of run {run.number}" in run.reason
            assert "People are asked for more" in run.reason
            [asked] = pending_for(tenant.actor("product_owner"))
            assert (asked.kind, asked.subject) == ("budget_override", f"budget:run:{run.number}:total")
            bound = {"scope_kind": "run", "scope_id": str(run.number), "limit_usd": "0.001"}
            assert bound.items() <= asked.binding.items()
            ceiling = asked.binding["ceiling_usd"]
            assert Decimal(ceiling) > Decimal("0.0015")
            task = Task.objects.get(story=story)
            soon = Now() + timedelta(minutes=1)
            Task.objects.filter(pk=task.pk).update(lease_until=soon)
            assert (keep_claims(), keep_claims()) == (1, 0), "a run that waits keeps its task"
            assert Task.objects.filter(pk=task.pk, lease_until__gt=soon, holder="agent:mason").exists()
            paid = len(model.journal)
            retry_run(actor=tenant.actor("developer"), run=run, reason="Trying without more money.")
        settle(tenant.schema)
        with tenant_scope(tenant.schema):
            run.refresh_from_db()
            assert (run.state, len(model.journal)) == (RunState.WAITING, paid), "no room, no call"
        with tenant_scope(tenant.schema):
            assert [again.number for again in pending_for(tenant.actor("product_owner"))] == [asked.number]
            with pytest.raises(Denied):
                decide(tenant.actor("developer"), asked)
            decide(tenant.actor("product_owner"), asked)
        settle(tenant.schema)
        with tenant_scope(tenant.schema):
            done = approval(tenant.actor("admin"), asked.number)
            assert (done.state, done.outcome) == ("executed", {"limit_usd": ceiling})
            with pytest.raises(Conflict):
                decide(tenant.actor("admin"), asked)
            for other in pending_for(tenant.actor("admin")):
                if other.kind == "budget_override":
                    decide(tenant.actor("admin"), other)
        settle(tenant.schema)
    assert world.task(story).state == "pending_po_approval"
    with tenant_scope(tenant.schema):
        ended = Run.objects.get(kind="work")
        assert (ended.pk, ended.state, ended.reason, "budget" in ended.outcome) == (
            run.pk,
            RunState.SUCCEEDED,
            "",
            False,
        )
        assert RunStep.objects.filter(kind="model").count() == len(model.journal), "each call made once"
        spent = spend_of("cost_kind", "model").spent
    tokens = [call["usage"] for call in model.journal]
    assert spent * 10**6 == sum(u["prompt_tokens"] + 3 * u["completion_tokens"] for u in tokens)


def test_a_run_whose_machines_took_all_the_money_waits_before_its_next_command(tenant: TestTenant) -> None:
    """Commands are charged when it ends; a call to a model would still have room."""
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")

    def tighten(boundary: str, key: str) -> None:
        if (boundary, key) == ("done", "executor.2"):
            with tenant_scope(tenant.schema):
                RunStep.objects.filter(run__kind="work", kind="tool").update(seconds=10_000)
            limit(world, "0.05")

    with scripted_model(SCRIPT) as model:
        story = world.story(**STORY)
        settle(tenant.schema, tighten)
        with tenant_scope(tenant.schema):
            run = Run.objects.get(kind="work")
            assert (run.state, "People are asked for more" in run.reason) == (RunState.WAITING, True)
            [asked] = pending_for(tenant.actor("product_owner"))
            assert Decimal(asked.binding["ceiling_usd"]) > Decimal("0.12"), "what it took already and a bit"
            paid = len(model.journal)
        settle(tenant.schema)
        with tenant_scope(tenant.schema):
            assert (Run.objects.get(pk=run.pk).state, len(model.journal)) == (RunState.WAITING, paid), "no room yet"
            decide(tenant.actor("product_owner"), asked)
        settle(tenant.schema)
    with tenant_scope(tenant.schema):
        assert Run.objects.get(pk=run.pk).state == RunState.SUCCEEDED
    assert world.task(story).state == "pending_po_approval"
