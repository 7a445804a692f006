"""Architect and tester look for themselves: with the tools of their role, one verdict each, whatever dies in between."""

from pathlib import Path
from typing import Any

import pytest

from governance.models import Violation
from gpu_workers.models import Agent, Run, RunStep
from guildhall.evidence.selectors import TrailFilter, search_trail
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import Rule
from tests.story.scripts import JUDGE, RIGHT, WRONG, planning, writing
from tests.story.test_approved_not_done import answer, asked, now
from tests.story.test_bugfix_story import STORY
from tests.story.test_killed_workers import drive
from tests.support.clients import signed_in
from tests.support.mortal import Mortal
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

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


def test_a_judge_who_has_to_ask_waits_for_a_person_and_goes_on_where_it_stopped(tenant: TestTenant) -> None:
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
        Agent.objects.filter(name="wren").update(autonomy_cap="L1")
    with scripted_model(rules):
        story = world.story(**STORY)
        world.settle()
        run, wanted = asked(world, "test")
        assert (wanted.title, wanted.binding["step"]) == (f"Wren: run command {PROBE}"[:200], "judge.1.1")
        with tenant_scope(tenant.schema):
            assert not RunStep.objects.filter(run=run, key="judge.1.1").exists(), "nothing happens without an answer"
        answer(world, wanted, "approve")
        world.settle()
    assert world.task(story).state == "pending_po_approval", world.told()
    assert now(world, wanted).state == "executed"
    assert verdicts_of(world, "test") == [("approved", "The probe of two lines came to 800.")]
