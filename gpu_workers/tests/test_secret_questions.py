"""A call that uses a secret which the policy has people asked about is their question, whatever the agent may do else."""

from typing import Any

import pytest

from governance.actions.reputation import adjust_reputation
from governance.selectors import active_policy, approval, latest_approval, pending_for
from governance.tests.asking import answer
from governance.views import ApprovalView
from gpu_workers.actions.runs import Ending, NewRun, end_run, queue_run, take_run
from gpu_workers.loop import Permission, ToolCall
from gpu_workers.models import Agent, CIRun, Repository, Run
from gpu_workers.models.change import fingerprint_of
from gpu_workers.models.run import RunKind, RunState
from gpu_workers.runs.approving import RunApprover
from gpu_workers.runs.asking import hand_in, question
from gpu_workers.runs.brief import brief_of
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.guarded import KIND, SECRET_KIND
from gpu_workers.runs.journal import Journal
from gpu_workers.runs.keeper import Keeper
from guildhall.kernel.errors import Denied
from guildhall.kernel.tenancy import tenant_scope
from tests.support.policies import put_policy
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from workflows.actions import create_project, create_story
from workflows.actions.strategies import create_strategy
from workflows.models import Story, Strategy, Task

pytestmark = pytest.mark.integration

GREEN = "a" * 40
QUESTION: dict[str, Any] = {"query": "SELECT count(*) FROM goods"}
UPDATE: dict[str, Any] = {"issue": "7", "comment": "It is mended."}
STEP = "judge.3"


class Examiner:
    """An agent on Autopilot with all the reputation there is, on a commit that is green: it may do all that policy lets."""

    def __init__(self, tenant: TestTenant, role: str) -> None:
        self.tenant = tenant
        owner = tenant.actor("product_owner")
        project = create_project(actor=owner, key="TILL", name="Till", repository="till", ci_command="true")
        strategy = create_strategy(actor=owner, project=project, goal="Fewer complaints", autonomy="L3")
        story = create_story(actor=owner, project=project, content={"title": "Look at the shop"})
        Story.objects.filter(pk=story.pk).update(strategy=strategy)
        Task.objects.create(
            story=story, number=1, reference="TILL-1.1", rank=1, title="Look", role="developer", size="S", risk="low"
        )
        self.agent = Agent.objects.filter(role=role).earliest("pk")
        self.cap("L3")
        adjust_reputation(
            actor=tenant.actor("admin"), agent=self.agent.ref, points=100, source="test", reason="It has earned this."
        )
        new = NewRun(RunKind.WORK, "task:TILL-1.1", story.ref, "Look", "task:TILL-1.1:1")
        self.run = queue_run(actor=tenant.system(), agent=self.agent, new=new)
        # Of no name, as the run is in none: there are no files to be looked at.
        Repository.objects.create(name="", ci_command="true")
        green = {"sha": GREEN, "command_sha256": fingerprint_of("true"), "status": "passed", "passed": 10}
        CIRun.objects.create(repository="", purpose="run", **green)

    def cap(self, level: str) -> None:
        """What the agent goes up to from now on, whoever has its row in hand."""
        Agent.objects.filter(pk=self.agent.pk).update(autonomy_cap=level)

    def context(self) -> RunContext:
        """What a worker that takes the run has in hand."""
        self.run = take_run(actor=self.agent.actor(), run=self.run, worker="here")
        self.run.base_sha = GREEN
        keeper = Keeper(self.tenant.schema, self.run.pk, self.run.fence, lambda: None)
        journal = Journal(self.run, self.agent.actor())
        return RunContext(self.run, self.agent, self.agent.actor(), journal, keeper, brief_of(self.run))


def said(ctx: RunContext, tool: str, arguments: dict[str, Any], step: str = STEP) -> tuple[Permission, str]:
    verdict = RunApprover(ctx).decide(step, ToolCall("1", tool, arguments))
    return verdict.permission, verdict.reason


def wait_with(examiner: Examiner, ctx: RunContext, tool: str, arguments: dict[str, Any], reason: str) -> ApprovalView:
    """The run ends its turn with the question, and people have it before them."""
    asked = question(ctx, STEP, tool, arguments, reason)
    end_run(
        actor=examiner.agent.actor(),
        run=examiner.run,
        fence=examiner.run.fence,
        ending=Ending(RunState.WAITING, reason=reason, outcome={"question": asked}),
    )
    told(examiner)
    with tenant_scope(examiner.tenant.schema):
        found = latest_approval(examiner.run.ref, kind=str(asked["kind"]))
    assert found is not None
    return found


def told(examiner: Examiner) -> None:
    relay()
    consume(examiner.tenant.schema)


def test_a_secret_that_the_policy_names_is_asked_about_at_each_call(tenant: TestTenant) -> None:
    schema, devops, owner = tenant.schema, tenant.actor("devops"), tenant.actor("product_owner")
    with tenant_scope(schema):
        examiner = Examiner(tenant, "qa")
        ctx = examiner.context()
        assert said(ctx, "query_db", QUESTION)[0] is Permission.ALLOW, "nothing is shipped as asked about"
        put_policy(tenant, active_policy().text.replace("  ask: []", "  ask: [database]"))
        assert said(ctx, "http_request", {"url": "https://shop.example"}, "judge.2")[0] is Permission.ALLOW
        permission, reason = said(ctx, "query_db", QUESTION)
        assert (permission, "secret" in reason, "database" in reason) == (Permission.ASK, True, True)
        asked = wait_with(examiner, ctx, "query_db", QUESTION, reason)
    assert (asked.kind, asked.binding["uses"], asked.binding["step"]) == (SECRET_KIND, "database", STEP)
    assert asked.risk == "medium", "the task's is low, but not that of a tool of high sensitivity"
    with tenant_scope(schema):
        assert [one.number for one in pending_for(devops)] == [asked.number]
        with pytest.raises(Denied):
            answer(owner, asked)
        answer(devops, asked)
    told(examiner)
    with tenant_scope(schema):
        examiner.run.refresh_from_db()
        assert examiner.run.state == RunState.QUEUED, "the answer wakes the run"
        ctx = examiner.context()
        assert said(ctx, "query_db", {"query": "SELECT * FROM staff"})[0] is Permission.ASK, "another question"
        assert said(ctx, "query_db", QUESTION, "judge.4")[0] is Permission.ASK, "another step"
        assert said(ctx, "query_db", QUESTION)[0] is Permission.ALLOW
        hand_in(ctx.run, STEP, "query_db", QUESTION, ok=True)
        done = approval(tenant.actor("admin"), asked.number)
        assert (done.state, (done.outcome or {})["step"]) == ("executed", STEP)


def test_a_command_that_reaches_hosts_is_another_act_than_running_it(tenant: TestTenant) -> None:
    plain: dict[str, Any] = {"command": "pip download left-pad"}
    outward = {**plain, "network": True}
    with tenant_scope(tenant.schema):
        examiner = Examiner(tenant, "qa")
        ctx = examiner.context()
        assert said(ctx, "run_command", outward)[0] is Permission.ALLOW, "it finds no list and is refused then"
        put_policy(tenant, active_policy().text.replace("  allow: []", "  allow: [files.example]", 1))
        assert said(ctx, "run_command", outward)[0] is Permission.ALLOW
        examiner.cap("L2")
        assert [said(ctx, "run_command", asked)[0] for asked in (plain, outward)] == [Permission.ALLOW, Permission.ASK]
        assert said(ctx, "run_tests", {"network": True})[0] is Permission.ASK
        put_policy(tenant, active_policy().text.replace("  allow: [files.example]", "  allow: []", 1))
        assert said(ctx, "run_command", outward)[0] is Permission.ASK, "a list that is gone takes no question with it"
        examiner.cap("L0")
        assert said(ctx, "run_command", outward)[0] is Permission.DENY


def test_a_level_that_is_lowered_while_the_run_works_holds_from_the_next_call(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        examiner = Examiner(tenant, "planner")
        ctx = examiner.context()
        assert said(ctx, "update_issue", UPDATE)[0] is Permission.ALLOW
        examiner.cap("L2")
        assert said(ctx, "update_issue", UPDATE)[0] is Permission.ASK
        examiner.cap("L3")
        assert said(ctx, "update_issue", UPDATE)[0] is Permission.ALLOW
        Strategy.objects.update(autonomy="L1")
        assert said(ctx, "update_issue", UPDATE)[0] is Permission.ASK


def test_a_yes_to_the_call_is_none_to_a_secret_that_is_named_afterwards(tenant: TestTenant) -> None:
    schema, owner = tenant.schema, tenant.actor("product_owner")
    with tenant_scope(schema):
        examiner = Examiner(tenant, "planner")
        examiner.cap("L2")
        ctx = examiner.context()
        permission, reason = said(ctx, "update_issue", UPDATE)
        assert permission is Permission.ASK
        asked = wait_with(examiner, ctx, "update_issue", UPDATE, reason)
        assert asked.kind == KIND
        answer(owner, asked)
        put_policy(tenant, active_policy().text.replace("  ask: []", "  ask: [tracker]"))
    told(examiner)
    with tenant_scope(schema):
        run = Run.objects.get(pk=examiner.run.pk)
        assert run.state == RunState.QUEUED
        examiner.run = run
        ctx = examiner.context()
        assert said(ctx, "update_issue", UPDATE)[0] is Permission.ASK
        assert approval(owner, asked.number).state == "void", "nobody waits for it to be carried out"
        assert question(ctx, STEP, "update_issue", UPDATE, "")["kind"] == SECRET_KIND
