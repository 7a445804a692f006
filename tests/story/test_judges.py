"""Architect and tester look for themselves: with the tools of their role, one verdict each, whatever dies in between."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Q

from governance.actions.reputation import adjust_reputation
from governance.models import Violation
from governance.views import ApprovalView
from gpu_workers.actions.retries import retry_run
from gpu_workers.models import Agent, Run, RunStep
from gpu_workers.runs.engine import execute
from guildhall.evidence.selectors import TrailFilter, search_trail
from guildhall.kernel.actions import ActionContext, register_check
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import Rule
from tests.story.scripts import JUDGE, RIGHT, WRONG, planning, writing
from tests.story.test_approved_not_done import answer, asked, now
from tests.story.test_bugfix_story import STORY
from tests.story.test_killed_workers import drive
from tests.support.clients import signed_in
from tests.support.mortal import DIED, Mortal, in_child
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.actions import transition_story
from workflows.models import Story, Task

pytestmark = pytest.mark.integration
DEARER = WRONG.replace("VAT_PERCENT = 20", "VAT_PERCENT = 21")
RATE = "till/basket.py: the rate is 20 in every commit before this one; leave it."
PENNY = "Two lines of 333 pence come to 799, not to 800: round VAT on each line."
PROBE = 'python3 -c "from till.basket import total; found = total([(333, 1), (333, 1)]); assert found == 800, found"'
ARCHITECT, TESTER = "You are an architect who reviews", "You are a tester who judges"


def acts(turn: int, name: str, *contains: str, without: str = "", **arguments: Any) -> Rule:
    """What is called in a turn, where all of `contains` was said and `without` was not."""
    when = {"contains": list(contains), "without": [without] if without else [], "turns": turn}
    return {"when": when, "reply": {"tool_calls": [{"name": name, "arguments": arguments}]}}


def gives(turn: int, verdict: str, feedback: str, *contains: str, without: str = "") -> Rule:
    return acts(turn, "give_verdict", *contains, without=without, verdict=verdict, feedback=feedback)


def script() -> list[Rule]:
    """A rate that nobody asked for, then a penny too few, then what is right; each is found by who looks for it."""
    architect, tester, dev = (JUDGE, ARCHITECT), (JUDGE, TESTER), ["Carry the task out now."]
    dearer = "+VAT_PERCENT = 21"
    return [
        *planning(),
        *writing(RIGHT, contains=[*dev, PENNY]),
        *writing(WRONG + "\n", contains=[*dev, RATE], without=[PENNY]),
        *writing(DEARER, contains=dev, without=[RATE, PENNY]),
        acts(0, "git_diff", *architect, dearer),
        acts(1, "write_file", *architect, dearer, path="till/basket.py", content=RIGHT),
        acts(2, "git_log", *architect, dearer),
        gives(3, "reject", RATE, *architect, dearer),
        gives(0, "approve", "It does what the task asks for.", *architect, without=dearer),
        acts(0, "run_tests", *tester),
        acts(1, "run_command", *tester, command=PROBE),
        gives(2, "reject", PENNY, *tester, "AssertionError: 799"),
        gives(2, "approve", "The probe of two lines came to 800.", *tester, without="AssertionError"),
    ]


def verdicts_of(world: World, kind: str) -> list[tuple[str, str]]:
    with tenant_scope(world.tenant.schema):
        runs = Run.objects.filter(kind=kind, state="succeeded").order_by("number")
        return [(run.outcome["verdict"], run.outcome["feedback"]) for run in runs]


def steps_of(world: World, kind: str) -> dict[str, RunStep]:
    """The steps of the first run of a kind, by key."""
    with tenant_scope(world.tenant.schema):
        first = Run.objects.filter(kind=kind).order_by("number")[0]
        return {step.key: step for step in first.steps.all()}


def said(step: RunStep) -> str:
    return str((step.response or {})["text"])


def test_judges_look_for_themselves_and_give_one_verdict_each(tenant: TestTenant, tmp_path: Path) -> None:
    files = {**files_of(DEMO / "till"), "ci.py": b"print('nothing is tested here')\n"}
    world = World.build(tenant, "TILL", files, "python3 ci.py")

    def place_of(key: str) -> str:
        refused_once = any(place.endswith("answered judge.2.1") for place in mortal.boundaries())
        return key if key.startswith("judge.3") or (key == "judge.2.1" and not refused_once) else ""

    mortal = Mortal(tmp_path / "deaths", place_of)
    with scripted_model(script()) as model:
        story = world.story(**STORY)
        drive(world, mortal)
        answered = [call for call in model.journal if call["status"] == 200]
    task = world.task(story)
    assert task.state == "pending_po_approval", world.told()
    approved = ("approved", "It does what the task asks for.")
    assert verdicts_of(world, "review") == [("rejected", RATE), approved, approved]
    assert verdicts_of(world, "test") == [("rejected", PENNY), ("approved", "The probe of two lines came to 800.")]

    review, test = steps_of(world, "review"), steps_of(world, "test")
    assert "+VAT_PERCENT = 21" in said(review["judge.1.1"])
    assert task.reference in said(review["judge.3.1"]).splitlines()[0], "the commit to judge comes first"
    assert said(review["judge.2.1"]) == "Refused: The policy does not give 'write_file' to architect."
    with tenant_scope(tenant.schema):
        refused = Violation.objects.get(agent="agent:alder")
        assert (refused.kind, refused.effect) == ("tool", "blocked")
        assert len(search_trail(TrailFilter(kind="agent.tool.refused"), limit=9)) == 1, "its worker died over it, twice"
        told = search_trail(TrailFilter(kind="agent.work.completed"), limit=50)
        ended = Run.objects.filter(state="succeeded").count()
        calls = RunStep.objects.filter(kind="model").count()
    assert "nothing is tested here" in said(test["judge.1.1"])
    assert "AssertionError: 799" in said(test["judge.2.1"])
    assert (task.test_report or {})["summary"] == "CI passed on a fresh checkout"

    viewer = signed_in(tenant, tenant.member("viewer"))
    tester = next(run for run in world.runs() if run.kind == "test")
    shown = viewer.get(f"/runs/{tester.number}/files/").content.decode()
    assert 'after step <span class="mono">judge.2.1</span>' in shown, "a workspace is open to look at, committed or not"
    assert "basket.py" in viewer.get(f"/runs/{tester.number}/files/till").content.decode()
    approval = world.approval(task)
    assert approval is not None
    asked = viewer.get(f"/approvals/{approval.number}/").content.decode()
    assert "“The probe of two lines came to 800.”" in asked, "who decides reads what judges said"

    deaths = mortal.boundaries()
    assert len(deaths) == 17, "workers died at each boundary of a look and of three verdicts, and over a refusal"
    assert len(told) == ended == len(world.runs()), "one verdict of each run"
    assert len(answered) == calls, "each question was asked, and paid for, once"


def planner_proposes(world: World) -> Story:
    """At L1 the planner's tasks are a proposal: an architect accepts them, a product owner commits them."""
    story = world.story(**STORY)
    with tenant_scope(world.tenant.schema):
        assert (story.state, story.derivations.get().state, story.tasks.count()) == (
            "ready_for_planning",
            "proposed",
            0,
        )
        plan = Run.objects.get(kind="plan")
        assert "the agent proposes, a person does" in plan.outcome["proposed_only"]
        architect = world.tenant.actor("architect")
        story = transition_story(actor=architect, story=story, name="derive_tasks", version=story.version)
        transition_story(actor=world.owner, story=story, name="commit_to_sprint")
    world.settle()
    return story


def dies_at(world: World, run: Run, action: str) -> None:
    """Have a worker go on with the run that is killed -9 as it begins `action`."""

    def die(about: ActionContext) -> None:
        if about.name == action:
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        register_check(die)
        with tenant_scope(world.tenant.schema):
            execute(run.number)

    assert in_child(work) == DIED
    with tenant_scope(world.tenant.schema):
        Run.objects.filter(pk=run.pk).update(lease_until=None)


def verdict_asked(world: World, kind: str, title: str, state: str) -> tuple[Run, ApprovalView]:
    """A verdict that waits for people, who see it with the change that it is about; nothing has moved by it."""
    run, wanted = asked(world, kind)
    assert (wanted.title, wanted.binding["step"]) == (title, "verdict")
    with tenant_scope(world.tenant.schema):
        assert Task.objects.get().state == state
    page = signed_in(world.tenant, world.tenant.member("viewer")).get(f"/approvals/{wanted.number}/").content.decode()
    assert "give verdict" in page
    assert "round" in page, "the diff that it lets through"
    return run, wanted


def test_judges_below_l2_or_restricted_propose_and_people_decide(tenant: TestTenant) -> None:
    """A plan, a review and a test: none of them moves anything by itself, a worker's death included."""
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "true")
    tester = (JUDGE, TESTER)
    rules = [
        *planning(),
        *writing(RIGHT, contains=["Carry the task out now."]),
        gives(0, "approve", "It does what the task asks for.", JUDGE, ARCHITECT),
        acts(0, "run_command", *tester, command=PROBE),
        gives(1, "approve", "The probe of two lines came to 800.", *tester, "exit status 0"),
    ]
    with tenant_scope(tenant.schema):
        Agent.objects.filter(Q(name="wren") | Q(kind="planner")).update(autonomy_cap="L1")
        adjust_reputation(
            actor=tenant.actor("admin"), agent="agent:alder", points=-60, source="test", reason="It let a bug through."
        )
    with scripted_model(rules):
        story = planner_proposes(world)
        first, refused = verdict_asked(world, "review", "Alder: give verdict approved", "arch_reviewing")
        answer(world, refused, "reject", feedback="Look at the rounding once more")
        world.settle()
        with tenant_scope(tenant.schema):
            first.refresh_from_db()
            assert (first.state, first.reason) == ("escalated", "A person said no: Look at the rounding once more.")
            assert Task.objects.get().state == "pending_arch_review", "it waits for a person, or for another try"
            retry_run(actor=tenant.actor("developer"), run=first, reason="Looking at it again.")
        world.settle()
        run, allowed = verdict_asked(world, "review", "Alder: give verdict approved", "arch_reviewing")
        answer(world, allowed, "approve")
        relay()
        consume(tenant.schema)
        dies_at(world, run, "run.end")
        with tenant_scope(tenant.schema):
            assert Task.objects.get().state == "arch_reviewing"
        world.settle()
        assert now(world, allowed).state == "executed"

        run, wanted = asked(world, "test")
        assert (wanted.title, wanted.binding["step"]) == (f"Wren: run command {PROBE}"[:200], "judge.1.1")
        with tenant_scope(tenant.schema):
            assert not RunStep.objects.filter(run=run, key="judge.1.1").exists(), "nothing happens without an answer"
        answer(world, wanted, "approve")
        world.settle()
        assert now(world, wanted).state == "executed"
        _, wanted = verdict_asked(world, "test", "Wren: give verdict approved", "qa_testing")
        answer(world, wanted, "approve")
        world.settle()
    assert world.task(story).state == "pending_po_approval", world.told()
    assert now(world, wanted).state == "executed"
    assert verdicts_of(world, "test") == [("approved", "The probe of two lines came to 800.")]
    assert verdicts_of(world, "review") == [("approved", "It does what the task asks for.")]
