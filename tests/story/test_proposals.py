"""PM agents: plans checked by the program, decided by a product owner, carried out by the usual acts and by nothing before."""

import json
from decimal import Decimal
from typing import Any

import pytest

from gateway.models import Deployment
from governance.selectors import entries_of
from gpu_workers.actions.proposals import ask_proposal, decide_proposal
from gpu_workers.models import Agent, Proposal, Run
from gpu_workers.planner.checks import ORDER, ROADMAP, SPRINT, Backlog, BacklogStory, problems
from gpu_workers.planner.reading import backlog_of
from gpu_workers.planner.shown import kept, restored
from guildhall.kernel.errors import Conflict, Denied, Invalid
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.fakes.openai_server import Rule
from tests.support.clients import signed_in
from tests.support.pump import consume, relay, settle
from tests.support.tenants import TestTenant
from tests.support.world import scripted_model
from workflows.actions import create_project, create_story, edit_story, transition_story
from workflows.actions.epics import create_epic, order_stories
from workflows.actions.sprints import open_sprint
from workflows.actions.stories import Content
from workflows.models import Story
from workflows.planning import TaskDraft

pytestmark = pytest.mark.integration
SHOP = ["SHOP-1", "SHOP-2", "SHOP-3", "SHOP-4"]
WHY = "It is what customers ask for."
BRIEF = "As a shopper I want this so that paying is easier than it is today."


def entry(story: str, **more: str) -> dict[str, str]:
    return {"story": story, "reason": WHY, **more}


def handing(tool: str, answer: dict[str, Any], *first: dict[str, Any]) -> list[Rule]:
    """A model that reads the backlog, hands in what is in `first` turn by turn, and then `answer`."""
    turns = [("read_backlog", {}), *((tool, wrong) for wrong in first), (tool, answer)]
    return [
        {"when": {"turns": turn}, "reply": {"tool_calls": [{"name": name, "arguments": arguments}]}}
        for turn, (name, arguments) in enumerate(turns)
    ]


@pytest.fixture
def house(tenant: TestTenant) -> TestTenant:
    """Four stories of an epic: SHOP-1 and SHOP-2 planned (2 and 3 points), SHOP-3 a draft that needs SHOP-4."""
    owner, author = tenant.actor("product_owner"), tenant.actor("developer")
    usual: Content = {
        "brief": BRIEF,
        "priority": "normal",
        "risk_labels": [],
        "depends_on": [],
        "budget_usd": Decimal(2),
    }
    usual["acceptance"] = ["Given a cart, when paying, then it is paid."]
    with tenant_scope(tenant.schema):
        project = create_project(actor=owner, key="SHOP", name="Shop", repository="shop", ci_command="true")
        epic = create_epic(actor=owner, project=project, title="Paying")
        open_sprint(actor=owner, project=project, content={"name": "One", "capacity": 4})
        for number, size in enumerate(("S", "M", "S", "S"), 1):
            content: Content = {**usual, "title": f"Story {number}", "size": size}
            story = create_story(actor=author, project=project, content=content, epic=epic)
            if number < 3:
                story = transition_story(actor=author, story=story, name="submit")
                story = transition_story(actor=owner, story=story, name="approve_scope")
                draft = TaskDraft("Do it", "developer")
                transition_story(actor=tenant.actor("architect"), story=story, name="derive_tasks", add=[draft])
    return tenant


def asked(house: TestTenant, kind: str, script: list[Rule], **more: Any) -> Proposal:
    """What came of it. Once the run is queued the agent is given prompts that are not there: the run keeps its own."""
    with scripted_model(script):
        with tenant_scope(house.schema):
            made = ask_proposal(actor=house.actor("product_owner"), project="SHOP", kind=kind, **more)
        relay()
        consume(house.schema)
        with tenant_scope(house.schema):
            assert Run.objects.get(subject=made.ref).state == "queued"
            Agent.objects.filter(kind="pm").update(prompt_version="v0")
        settle(house.schema)
        with tenant_scope(house.schema):
            Agent.objects.filter(kind="pm").update(prompt_version="v1")
    return again(house, made)


def again(house: TestTenant, proposal: Proposal) -> Proposal:
    with tenant_scope(house.schema):
        return Proposal.objects.get(pk=proposal.pk)


def test_a_sprint_plan_is_mended_until_it_fits_and_committed_when_accepted(house: TestTenant) -> None:
    goal = "Shoppers can pay by card."
    plan = {"goal": goal, "stories": [entry("SHOP-1")]}
    too_much = {"goal": goal, "stories": [entry("SHOP-1"), entry("SHOP-2")]}
    proposal = asked(house, SPRINT, handing("plan_sprint", plan, too_much))
    assert (proposal.state, proposal.content) == ("proposed", plan)
    with tenant_scope(house.schema):
        run = Run.objects.get(number=proposal.run or 0)
        assert [line.owner for line in entries_of("project", "SHOP") if line.cost_kind == "compute"] == [run.ref]
        steps = list(run.steps.filter(kind="tool").order_by("id"))
        assert "holds 4 points; these are 5" in str(steps[1].response)
        assert set(Story.objects.filter(number__lte=2).values_list("state", flat=True)) == {"planned"}
        with pytest.raises(Denied):
            decide_proposal(actor=house.actor("architect"), proposal=proposal, decision="accept")
        decide_proposal(actor=house.actor("product_owner"), proposal=proposal, decision="accept")
        with pytest.raises(Conflict):
            decide_proposal(actor=house.actor("product_owner"), proposal=proposal, decision="accept")
    settle(house.schema)
    done = again(house, proposal)
    assert (done.state, [line["why_not"] for line in done.outcome]) == ("carried_out", [""])
    with tenant_scope(house.schema):
        states = dict(Story.objects.values_list("reference", "sprint__name"))
    assert states == {"SHOP-1": "One", "SHOP-2": None, "SHOP-3": None, "SHOP-4": None}


def test_an_accepted_order_leaves_later_stories_after_it_and_undoes_nothing_that_people_did_since(
    house: TestTenant,
) -> None:
    order: dict[str, Any] = {
        "summary": "Card first, then the rest.",
        "stories": [
            entry("SHOP-4", priority="urgent"),
            entry("SHOP-2", priority="normal"),
            entry("SHOP-1", priority="normal"),
            entry("SHOP-3", priority="low"),
        ],
    }
    first = asked(house, ORDER, handing("propose_order", order))
    owner = house.actor("product_owner")
    with tenant_scope(house.schema):
        with pytest.raises(Conflict, match="already"):
            ask_proposal(actor=owner, project="SHOP", kind=ORDER)
        decide_proposal(actor=owner, proposal=first, decision="accept")
    settle(house.schema)
    with tenant_scope(house.schema):
        kept = list(Story.objects.order_by("epic_rank", "id").values_list("reference", "priority"))
    assert kept == [("SHOP-4", "urgent"), ("SHOP-2", "normal"), ("SHOP-1", "normal"), ("SHOP-3", "low")]
    turned = [order["stories"][place] for place in (1, 2, 0, 3)]
    second = asked(house, ORDER, handing("propose_order", {**order, "stories": turned}))
    with tenant_scope(house.schema):
        first_story = Story.objects.earliest("pk")
        project, epic = first_story.project, first_story.epic
        create_story(actor=owner, project=project, content={"title": "Another one"}, epic=epic)
        transition_story(actor=owner, story=first_story, name="commit_to_sprint")
        shop_4 = Story.objects.get(reference="SHOP-4")
        edit_story(actor=owner, story=shop_4, content={"priority": "low"})
        with pytest.raises(Conflict, match="priority of SHOP-4 was urgent, now low"):
            decide_proposal(actor=owner, proposal=second, decision="accept")
        edit_story(actor=owner, story=shop_4, content={"priority": "urgent"})
        assert epic is not None
        placed = list(epic.stories.order_by("epic_rank").values_list("reference", flat=True))
        order_stories(actor=owner, epic=epic, order=[placed[-2], *placed[:-2], placed[-1]])
        with pytest.raises(Conflict, match="put in another order"):
            decide_proposal(actor=owner, proposal=second, decision="accept")
        order_stories(actor=owner, epic=epic, order=placed)
        with pytest.raises(Invalid):
            decide_proposal(actor=owner, proposal=second, decision="reject", feedback="No.")
        decide_proposal(actor=owner, proposal=second, decision="accept")
    settle(house.schema)
    with tenant_scope(house.schema):
        kept = list(Story.objects.order_by("epic_rank", "id").values_list("reference", "priority"))
    assert [one for one in kept if one[0] != "SHOP-1"] == [
        ("SHOP-2", "normal"),
        ("SHOP-4", "urgent"),
        ("SHOP-3", "low"),
        ("SHOP-5", ""),
    ]
    assert again(house, second).outcome[0]["what"] == "SHOP-1 is left out"


def planned(house: TestTenant) -> list[tuple[object, ...]]:
    """Where each story stands."""
    with tenant_scope(house.schema):
        return list(Story.objects.order_by("id").values_list("reference", "state", "priority", "sprint"))


def test_a_model_that_never_hands_in_a_plan_that_holds_changes_nothing(house: TestTenant) -> None:
    """Nor does a roadmap that holds and is agreed on: what a person did since is told, no story moves by it."""
    wrong = {"summary": "Everything at once, please.", "now": [entry("SHOP-1")], "next": [], "later": []}
    failed = asked(house, ROADMAP, handing("draft_roadmap", wrong), capacity=5)
    assert failed.state == "failed"
    assert failed.reason
    good = {**wrong, "now": [entry("SHOP-1"), entry("SHOP-2")], "next": [entry("SHOP-4")], "later": [entry("SHOP-3")]}
    road = asked(house, ROADMAP, handing("draft_roadmap", good), capacity=5)
    assert (road.state, road.content) == ("proposed", good)
    owner, so_far, page = house.member("product_owner"), planned(house), f"/proposals/{road.pk}/"
    browser = signed_in(house, owner)
    assert "no story moves by it" in browser.get(page).content.decode()
    assert browser.submit(page, {"decision": "accept"}).status_code == 302
    with tenant_scope(house.schema):
        second = Story.objects.get(reference="SHOP-2")
        transition_story(actor=owner.actor, story=second, name="commit_to_sprint")
    settle(house.schema)
    agreed = again(house, road)
    assert (agreed.state, agreed.decided_by, agreed.content) == ("carried_out", owner.actor.ref, good)
    (left_out,) = agreed.outcome
    assert (left_out["what"], left_out["why_not"].partition(":")[0]) == ("SHOP-2 is left out", "It waits no more")
    assert left_out["why_not"] in browser.get(page).content.decode()
    assert [one[0] for one, before in zip(planned(house), so_far, strict=True) if one != before] == ["SHOP-2"]


def test_of_a_long_backlog_what_is_urgent_and_what_changed_last_is_shown(house: TestTenant) -> None:
    with tenant_scope(house.schema):
        shown = backlog_of(Proposal(kind=ORDER, project="SHOP"), most=4)
        assert ([story.reference for story in shown.stories], shown.left_out) == (SHOP, 0)
        project = Story.objects.earliest("pk").project
        create_story(actor=house.actor("product_owner"), project=project, content={"title": "No priority"})
        last = create_story(actor=house.actor("product_owner"), project=project, content={"title": "A fire"})
        edit_story(actor=house.actor("product_owner"), story=last, content={"priority": "urgent"})
        shown = backlog_of(Proposal(kind=ORDER, project="SHOP"), most=3)
        assert ([story.reference for story in shown.stories], shown.left_out) == (["SHOP-3", "SHOP-4", "SHOP-6"], 3)
        assert restored(json.loads(json.dumps(kept(shown)))) == shown


def test_a_backlog_that_is_longer_than_the_window_is_planned_within_it(house: TestTenant) -> None:
    owner, starts = house.actor("product_owner"), (24, 19, 14, 9, 5, 1)
    with tenant_scope(house.schema):
        project = Story.objects.earliest("pk").project
        for number in range(5, 31):
            create_story(actor=owner, project=project, content={"title": f"{number}: {'What our shoppers wish. ' * 7}"})
    later = [entry("SHOP-3"), *(entry(f"SHOP-{number}") for number in range(5, 31))]
    now = [entry("SHOP-1"), entry("SHOP-2")]
    road = {"summary": "Paying first, then wishes.", "now": now, "next": [entry("SHOP-4")], "later": later}
    calls = [*(("read_backlog", {"start": start}) for start in starts), ("draft_roadmap", road)]
    script: list[Rule] = [
        {
            "when": {"contains": [f"SHOP-{start} ["] if start else [], "without": ["about to be put away"]},
            "reply": {"tool_calls": [{"name": name, "arguments": arguments}]},
        }
        for start, (name, arguments) in zip((0, *starts), calls, strict=True)
    ]
    notes: Rule = {"when": {"contains": ["about to be put away"]}, "reply": {"text": "All of them wait alike."}}
    with scripted_model([notes, *reversed(script)]) as server:
        with platform_scope():
            Deployment.objects.filter(name="tests").update(context_tokens=4096)
        with tenant_scope(house.schema):
            made = ask_proposal(actor=owner, project="SHOP", kind=ROADMAP, wish="Paying first, please. " * 80)
        settle(house.schema)
    made = again(house, made)
    assert (made.state, made.content) == ("proposed", road), made.reason
    assert [call["usage"]["prompt_tokens"] < 4096 for call in server.journal] == [True] * len(server.journal)
    assert len(server.journal) >= len(calls)


def test_the_checks_name_what_is_wrong() -> None:
    stories = (
        BacklogStory("A-1", "One", 3, "low", needs=("A-2",), ready=True),
        BacklogStory("A-2", "Two", 5, "low", ready=True),
        BacklogStory("A-3", "Three", 0, "high", ready=True),
    )
    backlog = Backlog("A", SPRINT, stories, ("low", "high"), capacity=8, sprint="One")
    assert problems({"stories": [entry("A-2"), entry("A-1")]}, backlog) == []
    assert "needs A-2" in problems({"stories": [entry("A-1")]}, backlog)[0]
    assert "no size" in problems({"stories": [entry("A-3")]}, backlog)[0]
    assert "more than once" in problems({"stories": [entry("A-2"), entry("A-2")]}, backlog)[0]
    assert "no capacity" in problems({"stories": [entry("A-2")]}, Backlog("A", SPRINT, stories, ()))[0]
    ranked = Backlog("A", ORDER, stories, ("low", "high"))
    listed = [entry(name, priority="low") for name in ("A-1", "A-2", "A-3")]
    said = " ".join(problems({"stories": listed}, ranked))
    assert "A-1 comes before A-2" in said
    mapped = Backlog("A", ROADMAP, stories, (), capacity=4)
    roadmap = {"now": [entry("A-1")], "next": [entry("A-2")], "later": [entry("A-3")]}
    said = " ".join(problems(roadmap, mapped))
    assert "A-1 is now, and A-2, which it needs, next" in said
    assert "next holds 4 points; these are 5" in said
