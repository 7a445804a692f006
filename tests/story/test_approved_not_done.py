"""Approved is not done: what people allowed happens once, exactly so, when it may, whoever dies in between."""

import os
import signal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db.models.functions import Now

from governance.actions.approvals import decide_approval
from governance.actions.limits import set_limit
from governance.actions.money import reserve, settle
from governance.actions.outcomes_held import retry_approval, retry_held, take_back
from governance.actions.release import hold_environment, release_environment
from governance.pricing import Usage
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import active_policy, approval, latest_approval, pending_for
from governance.tests.tools import kinds_recorded
from governance.views import ApprovalView
from gpu_workers.actions.retries import retry_run
from gpu_workers.carrying_out import merge_stopped
from gpu_workers.folders import repository_folder, workspace_folder
from gpu_workers.merge_rules import NotNow
from gpu_workers.merging import merge_approved
from gpu_workers.models import Agent, Run, RunStep
from gpu_workers.models.run import RunState
from gpu_workers.repos import merge_fast_forward
from gpu_workers.runs.engine import execute
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied
from guildhall.kernel.tenancy import tenant_scope
from tests.story.scripts import RIGHT, bugfix, mending
from tests.story.test_bugfix_story import STORY
from tests.support.mortal import DIED, in_child
from tests.support.policies import put_policy
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.models import Task

pytestmark = pytest.mark.integration
WHY = "The Christmas sale has begun."


def dies_after(world: World, act: Callable[[], object]) -> None:
    """Have a process of its own do this and be killed -9 right then."""

    def work() -> None:
        with tenant_scope(world.tenant.schema):
            act()
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(work) == DIED


def now(world: World, of: ApprovalView) -> ApprovalView:
    with tenant_scope(world.tenant.schema):
        return approval(world.owner, of.number)


def merge(world: World, task: Task, given: ApprovalView) -> object:
    return merge_approved(
        actor=world.tenant.system(), task=task.reference, binding=dict(given.binding), approval=given.number
    )


def test_a_merge_waits_for_the_end_of_a_freeze_and_survives_every_death(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    receipts = kinds_recorded(tenant).count("governance.approval.executed")
    with scripted_model(mending()):
        story = world.story(**STORY)
        world.settle()
    task, before = world.task(story), world.head()
    first = world.approval(task)
    assert first is not None
    assert (first.binding["environment"], first.binding["cost_ceiling_usd"]) == ("till:main", "0.5")
    devops = tenant.actor("devops")
    with tenant_scope(tenant.schema):
        for nobody in (tenant.actor("developer"), tenant.actor("viewer"), tenant.actor("client"), tenant.system()):
            with pytest.raises(Denied):
                hold_environment(actor=nobody, kind="freeze", environment="*", reason=WHY)
        freeze = hold_environment(actor=devops, kind="freeze", environment="till:*", reason=WHY)
        hold_environment(actor=devops, kind="lock", environment="other:main", reason="Another repository is locked.")
    world.approve(first)
    world.settle()
    held = now(world, first)
    assert (held.state, held.held_reason, world.head()) == ("approved", f"freeze: {WHY}", before)
    with tenant_scope(tenant.schema):
        assert retry_held(actor=tenant.system(), stopped=merge_stopped) == 0
        with pytest.raises(NotNow):
            merge(world, task, held)
        retry_approval(actor=world.owner, approval=first.number, reason="Trying it in spite of the freeze.")
    world.settle()
    assert (now(world, first).state, world.head()) == ("approved", before), "trying again is no way around it"
    with tenant_scope(tenant.schema):
        take_back(actor=world.owner, approval=first.number, reason="It can wait for the new year.")
        with pytest.raises(Conflict):
            retry_approval(actor=world.owner, approval=first.number, reason="Trying what was taken back.")
    world.settle()
    again = world.approval(task)
    assert again is not None
    assert (now(world, first).state, again.state) == ("void", "pending"), "a yes that was taken back is asked anew"
    assert again.number != first.number
    world.approve(again)
    world.settle()
    assert world.head() == before
    with tenant_scope(tenant.schema):
        release_environment(actor=devops, hold=freeze.pk, reason="The sale is over, all is quiet.")
        assert retry_held(actor=tenant.system(), stopped=merge_stopped) == 1
    sha, base = str(again.binding["commit_sha"]), str(again.binding["base_sha"])
    dies_after(world, lambda: merge_fast_forward(repository_folder("till"), "main", sha, base))
    with tenant_scope(tenant.schema):
        hold_environment(actor=devops, kind="lock", environment="till:main", reason="It is on the branch by now.")
    dies_after(world, lambda: merge(world, task, again))
    assert now(world, again).state == "approved", "nobody has handed the receipt in yet"
    relay()
    dies_after(world, lambda: consume(tenant.schema))
    world.settle()
    done = now(world, again)
    assert (done.state, world.head(), world.task(story).state) == ("executed", sha, "done")
    assert done.outcome is not None
    assert done.outcome["merged_sha"] == sha
    kinds = kinds_recorded(tenant)
    assert (kinds.count("governance.approval.executed") - receipts, kinds.count("delivery.change.merged")) == (1, 1)


def costs(world: World, task: Task) -> None:
    """What was called for the task before costs 0.60 USD, as is known only now."""
    with tenant_scope(world.tenant.schema):
        actor, scopes = world.tenant.system(), [Scope(ScopeKind.TASK, task.reference)]
        how: dict[str, Any] = {"owner": task.ref, "model": "small", "price_version": "1", "ttl_s": 60}
        late = reserve(actor=actor, key="late", amount=Decimal("0.01"), scopes=scopes, **how)
        settle(actor=actor, reservation=late, usage=Usage(10, 10), cost=Decimal("0.60"))


def test_a_changed_policy_and_a_passed_ceiling_ask_again(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with scripted_model(mending()):
        story = world.story(**STORY)
        world.settle()
    task, before = world.task(story), world.head()
    first = world.approval(task)
    assert first is not None
    with tenant_scope(tenant.schema):
        put_policy(tenant, active_policy().text + "\n# Another version\n")
        with pytest.raises(Conflict, match="policy has changed"):
            answer(world, first, "approve")
    world.settle()
    second = world.approval(task)
    assert second is not None
    assert (now(world, first).state, second.state) == ("void", "pending")
    assert second.binding["policy_version"] == first.binding["policy_version"] + 1
    world.approve(second)
    costs(world, task)
    world.settle()
    third = world.approval(task)
    assert third is not None
    assert (now(world, second).state, third.state, world.head()) == ("void", "pending", before)
    assert "more than the 0.5 USD" in now(world, second).state_reason
    assert Decimal(third.binding["cost_ceiling_usd"]) > Decimal("0.6")
    world.approve(third)
    world.settle()
    assert (now(world, third).state, world.head()) == ("executed", third.binding["commit_sha"])


def asked(world: World, kind: str = "work") -> tuple[Run, ApprovalView]:
    """The last run of a kind, which waits, and what it asks."""
    with tenant_scope(world.tenant.schema):
        run = Run.objects.filter(kind=kind).latest("number")
        assert (run.state, run.lease_until) == (RunState.WAITING, None), (run.state, run.reason)
        found = latest_approval(run.ref, kind="agent_action")
    assert found is not None
    assert found.state == "pending"
    return run, found


def answer(world: World, of: ApprovalView, decision: str, actor: Actor | None = None, feedback: str = "") -> None:
    with tenant_scope(world.tenant.schema):
        decide_approval(
            actor=actor or world.owner,
            approval=of.number,
            decision=decision,
            binding_hash=of.binding_hash,
            feedback=feedback,
        )


def outgrown(world: World, task: Task, run: Run, first: ApprovalView) -> ApprovalView:
    """The files, and then the cost, are others by the time that the run goes on: each time people are asked anew."""
    with tenant_scope(world.tenant.schema):
        readme = workspace_folder(run.number) / "tree" / "README.md"
    was = readme.read_text()
    readme.write_text("# Another till\n")
    answer(world, first, "approve")
    world.settle()
    run, second = asked(world)
    assert (now(world, first).state, second.number > first.number) == ("void", True)
    assert now(world, first).state_reason == "The files are not those that were there when this was approved."
    assert {name for name in first.binding if first.binding[name] != second.binding[name]} == {"tree"}
    answer(world, second, "approve")
    costs(world, task)
    with tenant_scope(world.tenant.schema):
        limit: dict[str, Any] = {"kind": ScopeKind.TASK, "scope_id": task.reference, "window": Window.TOTAL}
        set_limit(actor=world.tenant.actor("admin"), amount=Decimal(2), **limit)
    world.settle()
    run, third = asked(world)
    assert (now(world, second).state, third.number > second.number) == ("void", True)
    assert "more than the 0.5 USD" in now(world, second).state_reason
    readme.write_text(was)
    with tenant_scope(world.tenant.schema):
        assert not RunStep.objects.filter(run=run, key=first.binding["step"]).exists(), "it was not carried out"
    return third


def test_an_agents_call_waits_for_a_person_and_happens_once(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    before = kinds_recorded(tenant).count("governance.approval.executed")
    with scripted_model(bugfix()):
        with tenant_scope(tenant.schema):
            Agent.objects.filter(name="mason").update(autonomy_cap="L1")
        story = world.story(**STORY)
        world.settle()
        run, wrong = asked(world)
        assert wrong.title.endswith("write file till/basket.py")
        assert (wrong.binding["step"], wrong.binding["run"], wrong.quorum) == ("executor.2.1", run.number, 1)
        for nobody in (tenant.agent("developer", "mason"), tenant.agent("architect", "alder"), tenant.actor("viewer")):
            with pytest.raises(Denied):
                answer(world, wrong, "approve", nobody)
        with tenant_scope(tenant.schema):
            assert [view.number for view in pending_for(world.owner)] == [wrong.number]
            retry_run(actor=tenant.actor("developer"), run=run, reason="Going on without an answer.")
        world.settle()
        run, still = asked(world)
        assert still.number == wrong.number, (
            "the same question is not asked twice, and nothing happens without an answer"
        )
        wrong = outgrown(world, world.task(story), run, wrong)
        answer(world, wrong, "reject", feedback="Round each line, not the sum.")
        world.settle()
        run, right = asked(world)
        assert (now(world, wrong).state, right.binding["step"]) == ("rejected", "fixer.1.2.1")
        with tenant_scope(tenant.schema):
            assert not RunStep.objects.filter(run=run, key="executor.2.1").exists(), "what was rejected never happened"
            told = RunStep.objects.get(run=run, key="executor.3").request["messages"][-1]["content"]
            assert "Round each line, not the sum." in told
        answer(world, right, "approve")
        relay()
        consume(tenant.schema)

        def die(boundary: str, key: str) -> None:
            if (boundary, key) == ("done", "fixer.1.2.1"):
                os.kill(os.getpid(), signal.SIGKILL)

        with tenant_scope(tenant.schema):
            assert Run.objects.get(pk=run.pk).state == RunState.QUEUED, "the answer wakes it"
        dies_after(world, lambda: execute(run.number, die))
        assert now(world, right).state == "approved", "it was carried out, and its worker died before the receipt"
        with tenant_scope(tenant.schema):
            Run.objects.filter(pk=run.pk).update(lease_until=Now())
            execute(run.number)
        world.settle()
        done = now(world, right)
        assert done.state == "executed"
        assert done.outcome is not None
        assert done.outcome["arguments_hash"] == right.binding["arguments_hash"]
        run, proposal = asked(world)
        assert (proposal.binding["step"], proposal.title.endswith("open change request")) == ("propose", True)
        answer(world, proposal, "approve")
        world.settle()
        assert now(world, proposal).state == "executed"
    task = world.task(story)
    assert task.state == "pending_po_approval"
    waiting = world.approval(task)
    assert waiting is not None
    world.approve(waiting)
    world.settle()
    assert world.text("till/basket.py") == RIGHT
    with tenant_scope(tenant.schema):
        assert RunStep.objects.filter(run=run, key="fixer.1.2.1").count() == 1
    assert kinds_recorded(tenant).count("governance.approval.executed") == before + 3
