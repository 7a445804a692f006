"""Below the policy's threshold nothing happens but a question; people's answers say how right the confidence was."""

import subprocess
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from gateway.models import Deployment
from governance.actions.approvals import decide_approval
from governance.actions.holds import place_hold
from governance.actions.reputation import adjust_reputation
from governance.models import Assessment
from governance.policies.document_sections import Budget
from governance.recorded import RecordedKind
from governance.scopes import ScopeKind, Window
from governance.selectors import active_policy, pending_for
from governance.selectors.confidence import calibration_of
from governance.selectors.holds import Held
from governance.selectors.simulation import simulation_of
from gpu_workers.actions.runs import NewRun, queue_run, take_run
from gpu_workers.councils.convening import approves_itself
from gpu_workers.loop import Permission, ToolCall
from gpu_workers.models import Agent, ChangeRequest, CIRun, Repository, Run, RunStep
from gpu_workers.models.change import fingerprint_of
from gpu_workers.models.run import RunKind
from gpu_workers.runs.approving import RunApprover
from gpu_workers.runs.brief import brief_of
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.journal import Journal
from gpu_workers.runs.keeper import Keeper
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.fakes.openai_server import Rule
from tests.story.scripts import RIGHT, bugfix, deliberating, handing_in, planning, verdicts
from tests.story.test_approved_not_done import answer
from tests.story.test_approved_not_done import asked as waiting_for
from tests.story.test_bugfix_story import STORY
from tests.support.clients import signed_in
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.actions import create_project, create_story
from workflows.actions.strategies import create_strategy
from workflows.models import Story, Task

pytestmark = pytest.mark.integration


def test_a_change_that_an_agent_is_not_sure_of_is_asked_about_first(
    tenant: TestTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with tenant_scope(tenant.schema):
        put_policy(tenant, active_policy().text.replace("threshold: 0.70", "threshold: 1"))
    held, popen = list[object](), subprocess.Popen

    def begun(words: Any, **more: Any) -> Any:
        if connection.connection is not None and any("--git-dir=" in word for word in words):
            held.append(words)
        return popen(words, **more)

    monkeypatch.setattr(subprocess, "Popen", begun)
    with scripted_model(bugfix()):
        story = world.story(**STORY)
        world.settle()
        task = world.task(story)
        assert task.state == "implementing"
        with tenant_scope(tenant.schema):
            run = Run.objects.get(kind="work")
            assert run.state == "waiting"
            assert "below the policy’s 1.00" in run.reason
            assert not ChangeRequest.objects.exists()
            found = Assessment.objects.get()
            assert found.halted
            assert (found.subject, found.run, found.agreed) == (task.ref, run.ref, None)
            assert set(found.components) == {"ci", "risk"}
            assert found.reasons
            (asked,) = pending_for(world.owner)
            assert (asked.kind, asked.subject) == ("agent_action", run.ref)
            decide_approval(
                actor=world.owner, approval=asked.number, decision="approve", binding_hash=asked.binding_hash
            )
        world.settle()
        for kind in ("review", "test"):
            # Letting the change through is an effect as well: the judges are no surer of it.
            judge, wanted = waiting_for(world, kind)
            assert (wanted.binding["step"], judge.reason.endswith("the policy’s risk leaves 80 %")) == ("verdict", True)
            answer(world, wanted, "approve")
            world.settle()
        merging = world.approval(world.task(story))
        assert merging is not None
        world.approve(merging)
        world.settle()
    assert held == [], "git is not waited for with a connection in hand"
    with tenant_scope(tenant.schema):
        assert world.task(story).state == "done"
        found.refresh_from_db()
        assert found.key == merging.binding["commit_sha"]
        assert found.agreed is True, "the merge was approved, so people agreed; allowing the question says nothing yet"
        verdicts_weighed = Assessment.objects.filter(effect="test", key="verdict", halted=True, agreed=True)
        assert verdicts_weighed.count() == 2
        report = calibration_of(world.owner, agent=found.agent)
        assert (report.number, report.halted, report.judged) == (1, 1, 1)
        assert report.brier == ((1 - found.score) ** 2).quantize(Decimal("0.0001"))
        # What was recorded is what a simulation replays: a policy without tools would have blocked every call.
        document = active_policy().document.model_copy(update={"tools": {}})
        simulated = simulation_of(world.owner, document)
        calls = simulated.counted[RecordedKind.TOOL_CALL]
        assert calls["number"] == calls["blocked"] > calls["before_blocked"]
        paid = simulated.counted[RecordedKind.MODEL_CALL]["number"]
        assert paid == RunStep.objects.filter(kind="model").count(), "not what was charged for computing and storage"
        assert {"change", "run", "model_call", "approval"} <= set(map(str, simulated.counted))
        poor = Budget(scope=ScopeKind.AGENT, window=Window.TOTAL, usd=Decimal(0))
        simulated = simulation_of(world.owner, active_policy().document.model_copy(update={"budgets": [poor]}))
        assert simulated.counted[RecordedKind.MODEL_CALL]["asked"] > 0, "agents have limits of their own"


def documented() -> list[Rule]:
    """Right at once, with a sentence in a document; the model says how sure it is of what it does."""
    when: dict[str, Any] = {"contains": ["Carry the task out now."]}
    read_me = "# Till: prices and VAT\n\n`python3 ci.py` runs the tests and writes ci-report.xml.\n"
    calls = [
        {"name": "write_file", "arguments": {"path": "till/basket.py", "content": RIGHT}},
        {
            "name": "write_file",
            "arguments": {"path": "README.md", "content": f"{read_me}\nBaskets: VAT rounded per line, cheerfully.\n"},
        },
        handing_in(),
    ]
    rules: list[Rule] = [
        {"when": {**when, "turns": turn}, "reply": {"tool_calls": [call]}, "logprob": -0.25}
        for turn, call in enumerate(calls)
    ]
    # B is chosen with all of one other voter's favour, and half of the other's: 0.75.
    points = {"A": {"B": 9, "C": 5}, "B": {"A": 6, "C": 6}, "C": {"A": 8, "B": 8}}
    return [*deliberating(points), *planning(), *rules, *verdicts()]


def test_a_change_is_weighed_by_all_that_is_known_and_the_figure_is_shown_wherever_it_counts(
    tenant: TestTenant,
) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py", councils=True)
    with scripted_model(documented()):
        with platform_scope():
            Deployment.objects.filter(name="tests").update(supports_logprobs=True)
        story = world.story(**STORY, evidence="The accountant wants VAT of baskets rounded per line.")
        world.settle()
    merging = world.approval(world.task(story))
    assert merging is not None, [(run.kind, run.state, run.reason) for run in world.runs()]
    with tenant_scope(tenant.schema):
        run = Run.objects.get(kind="work")
        found = Assessment.objects.get(run=run.ref)
        judged = Assessment.objects.exclude(run=run.ref)
        assert [(one.effect, one.key, str(one.score), one.halted) for one in judged] == [
            ("test", "verdict", "0.8808", False)  # 0.30 x 1 + 0.20 x 0.8 + 0.15 x 0.75, by 0.65
        ] * 2
    assert {name: Decimal(value) for name, value in found.components.items()} == {
        "ci": Decimal(1),  # every check passed
        "support": Decimal("0.8333"),  # five of six words are in the evidence, "cheerfully" is not
        "risk": Decimal("0.8"),  # nothing is labelled: medium
        "council": Decimal("0.75"),
        "logprob": Decimal("0.7788"),  # e to the power of -0.25
    }
    # 0.30 x 1 + 0.25 x 0.8333 + 0.20 x 0.8 + 0.15 x 0.75 + 0.10 x 0.7788
    assert (found.score, found.halted, found.key) == (Decimal("0.8587"), False, merging.binding["commit_sha"])
    browser = signed_in(tenant, tenant.member("product_owner"))
    (told,) = browser.get("/api/v1/confidence/", {"run": run.ref}).json()["results"]
    assert (told["score"], told["components"]["council"]) == ("0.8587", "0.7500")
    for page in (f"/runs/{run.number}/", f"/tasks/{world.task(story).reference}/", f"/approvals/{merging.number}/"):
        text = browser.get(page).content.decode()
        assert ">0.86<" in text, page
        assert "77 %" in text, page


def test_a_call_that_leaves_the_workspace_is_a_question_until_ci_is_green(tenant: TestTenant) -> None:
    """On Autopilot, with all the reputation there is: evidence is what is missing."""
    with tenant_scope(tenant.schema):
        admin, owner = tenant.actor("admin"), tenant.actor("product_owner")
        project = create_project(actor=owner, key="TILL", name="Till", repository="till", ci_command="true")
        strategy = create_strategy(actor=owner, project=project, goal="Fewer complaints", autonomy="L3")
        story = create_story(actor=owner, project=project, content={"title": "Look at the shop"})
        Story.objects.filter(pk=story.pk).update(strategy=strategy)
        Task.objects.create(
            story=story, number=1, reference="TILL-1.1", rank=1, title="Look", role="developer", size="S", risk="low"
        )
        agent = Agent.objects.filter(role="qa").earliest("pk")
        adjust_reputation(actor=admin, agent=agent.ref, points=100, source="test", reason="It has earned this, we say.")
        new = NewRun(RunKind.WORK, "task:TILL-1.1", story.ref, "Look", "task:TILL-1.1:1", repository="till")
        run = take_run(actor=agent.actor(), run=queue_run(actor=tenant.system(), agent=agent, new=new), worker="here")
        run.base_sha = "a" * 40
        keeper = Keeper(tenant.schema, run.pk, run.fence, lambda: None)
        Repository.objects.create(name="till", ci_command="true")
        approver = RunApprover(
            RunContext(run, agent, agent.actor(), Journal(run, agent.actor()), keeper, brief_of(run))
        )

        def said(step: str) -> tuple[Permission, str]:
            answer = approver.decide(step, ToolCall("1", "http_request", {"url": "https://shop.example"}))
            return answer.permission, answer.reason

        def ci(status: str, passed: int, failed: int) -> None:
            CIRun.objects.create(
                repository="till",
                sha=run.base_sha,
                purpose=status,
                command_sha256=fingerprint_of("true"),
                status=status,
                passed=passed,
                failed=failed,
            )

        unknown, reason = said("executor.1")
        assert unknown is Permission.ASK
        assert "evidence is missing" in reason
        assert "CI said nothing about it" in reason
        ci("failed", 5, 5)
        assert said("executor.2")[0] is Permission.ASK
        ci("passed", 10, 0)
        assert said("executor.3")[0] is Permission.ALLOW
        found = Assessment.objects.filter(run=run.ref).order_by("id")
        assert [(one.effect, one.key, one.halted) for one in found] == [
            ("use_network", "executor.1", True),
            ("use_network", "executor.2", True),
            ("use_network", "executor.3", False),
        ]
        assert said("executor.1")[0] is Permission.ASK, "a step is weighed once"
        known = Agent.objects.get(pk=agent.pk)
        story = Story.objects.select_related("strategy").get(pk=story.pk)
        assert approves_itself(story, [known], Decimal("0.75"))
        assert not approves_itself(story, [known], Decimal("0.5")), "a council that is divided asks a person"
        assert not approves_itself(story, [known], None)
        adjust_reputation(actor=admin, agent=agent.ref, points=-160, source="back", reason="It has lost all of this.")
        assert not approves_itself(story, [known], Decimal(1)), "so does one with a restricted agent"
        place_hold(actor=admin, kind="agent", target=agent.ref, reason="It loops, we think.")
        for asks in (lambda: said("executor.4"), approver.may_accept_plan):
            # Its worker may not have seen the switch yet: the run rests, and is not told a no that would end it.
            with pytest.raises(Held, match="It loops"):
                asks()
