"""A story goes from draft to merged and back by the API alone, each act by the person whose act it is."""

from decimal import Decimal

import pytest
from django.db import connection

from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.story.scripts import RIGHT, bugfix
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration
STORY = {
    "project": "TILL",
    "title": "Round VAT on each line of a basket",
    "brief": "Customers are charged a penny too little when a basket has several lines: VAT is rounded once, not per line.",
    "acceptance": ["Given two lines of 333 pence, when the total is taken, then it is 800 pence"],
    "size": "S",
    "priority": "normal",
    "risk_labels": [],
    "depends_on": [],
    "budget_usd": "2.00",
}


@pytest.fixture
def world(tenant: TestTenant) -> World:
    return World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")


def move(people: People, role: str, name: str, state: str, **more: object) -> None:
    story = getattr(people, role).post("stories/TILL-1/transitions/", {"name": name, **more})
    assert story["state"] == state


def test_people_take_a_story_from_draft_to_merged_and_revert_it(world: World) -> None:
    people = People(world.tenant)
    story = people.developer.post("stories/", STORY, status=201)
    assert (story["reference"], story["state"], story["dor_score"]) == ("TILL-1", "draft", 100)
    move(people, "developer", "submit", "po_review")
    offers = {offer["action"]: offer for offer in people.developer.get("stories/TILL-1/")["allowed_actions"]}
    assert not offers["approve_scope"]["allowed"]
    assert "product owner" in offers["approve_scope"]["reasons"][0]
    with scripted_model(bugfix()):
        move(people, "product_owner", "approve_scope", "ready_for_planning")
        world.settle()
        assert people.viewer.get("stories/TILL-1/proposal/")["state"] == "accepted"
        move(people, "product_owner", "commit_to_sprint", "ready_for_execution")
        world.settle()
        (task,) = people.product_owner.get("tasks/", pending_for="product_owner")["results"]
        assert task["state"] == "pending_po_approval"
        _look_at_the_runs(people, task["reference"])
        _approve(people, task)
        world.settle()
    done = people.viewer.get(f"tasks/{task['reference']}/")
    assert (done["state"], done["merged_sha"]) == ("done", world.head())
    assert people.viewer.get("stories/TILL-1/")["state"] == "ready_to_review"
    done_by = {entry["action"]: entry["actor"]["ref"] for entry in people.viewer.get("stories/TILL-1/activity/")}
    assert done_by["task.approve_tests"] == "agent:wren"
    (submitted,) = people.viewer.get("audit/", kind="planning.story.transitioned", actor=_ref(world, "developer"))
    assert (submitted["action"], submitted["subject"]) == ("story.submit", "story:TILL-1")
    costs = people.viewer.get("costs/", by="run")
    assert sum(Decimal(line["spent"]) for line in costs["lines"]) == Decimal(costs["total"]) > 0
    by_key = people.viewer.get("costs/", by="api_key")
    (line,) = by_key["lines"]
    assert (line["owner"] > "", line["spent"]) == (True, costs["total"]), "of the key that it was submitted through"
    _revert(people, world)


def _ref(world: World, role: str) -> str:
    return world.tenant.actor(role).ref


def _look_at_the_runs(people: People, task: str) -> None:
    runs = people.viewer.get("runs/", subject=f"task:{task}")["results"]
    assert {run["agent"] for run in runs} == {"mason", "alder", "wren"}
    number = next(run["number"] for run in runs if run["agent"] == "mason")
    run = people.viewer.get(f"runs/{number}/")
    assert [phase["key"] for phase in run["phases"]] == ["planner", "executor", "ci_monitor", "fixer", "finalizer"]
    assert [step["ok"] for step in run["steps"] if step["kind"] == "ci"] == [False, True]
    lines = people.viewer.get(f"runs/{number}/log/")
    later = people.viewer.get(f"runs/{number}/log/", after=lines[0]["id"])
    assert later == lines[1:]
    failed = [ci for ci in people.viewer.get("ci-runs/")["results"] if ci["status"] == "failed"]
    assert people.viewer.get(f"ci-runs/{failed[0]['id']}/")["log"]
    agents = {agent["name"]: agent for agent in people.viewer.get("agents/")["results"]}
    assert agents["mason"]["score"] != 100
    assert agents["mason"]["score"] - 100 == sum(e["points"] for e in people.viewer.get("agents/mason/")["history"])


def _approve(people: People, task: dict[str, str]) -> None:
    (waiting,) = people.product_owner.get("approvals/", mine=True)["results"]
    assert people.developer.get("approvals/", mine=True)["results"] == []
    path = f"approvals/{waiting['number']}/"
    seen = people.product_owner.get(path)
    assert (seen["subject"], seen["binding"]["commit_sha"]) == (f"task:{task['reference']}", task["commit_sha"])
    change = people.product_owner.get(f"changes/{seen['binding']['change']}/")
    lines = [line for file in change["diff"] for hunk in file["hunks"] for line in hunk["lines"]]
    assert next(line[1:] for line in lines if line.startswith("+")) in RIGHT
    assert not people.developer.get(path)["may_decide"]
    answer = {"decision": "approve", "binding_hash": seen["binding_hash"]}
    people.developer.post(f"{path}decision/", answer, status=403)
    people.product_owner.post(f"{path}decision/", {**answer, "binding_hash": "0" * 64}, status=409)
    assert people.product_owner.post(f"{path}decision/", answer)["state"] == "approved"
    people.product_owner.post(f"{path}decision/", answer, status=409)


def _revert(people: People, world: World) -> None:
    before, why = world.head(), {"reason": "The rounding broke the till of another shop."}
    people.developer.post("changes/1/revert/", why, status=403)
    people.architect.post("changes/1/revert/", why, status=202)
    people.architect.post("changes/1/revert/", why, status=202)
    world.settle()
    change = people.viewer.get("changes/1/")
    assert (change["state"], change["reverted_sha"]) == ("reverted", world.head())
    assert world.head() != before
    assert world.text("till/basket.py") != RIGHT
    people.architect.post("changes/1/revert/", why, status=409)
    _forget_the_revert(world)
    people.architect.post("changes/1/revert/", why, status=202)
    world.settle()
    assert people.viewer.get("changes/1/")["reverted_sha"] == change["reverted_sha"] == world.head()


def _forget_the_revert(world: World) -> None:
    """As after a crash between the commit and its row."""
    with tenant_scope(world.tenant.schema), connection.cursor() as cursor:
        cursor.execute("UPDATE gpu_workers_changerequest SET state = 'merged', reverted_sha = ''")
