"""What people do to agents' runs: stop one, and have them try again what they gave up on."""

import pytest

from tests.api.people import People
from tests.api.test_story_by_api import STORY
from tests.story.scripts import mending, planning
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration
WHY = {"reason": "The model server was down."}


@pytest.fixture
def world(tenant: TestTenant) -> World:
    return World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")


def begun(people: People, world: World) -> None:
    """TILL-1 is committed to the sprint by its people."""
    people.developer.post("stories/", STORY, 201)
    people.developer.post("stories/TILL-1/transitions/", {"name": "submit"})
    people.product_owner.post("stories/TILL-1/transitions/", {"name": "approve_scope"})
    world.settle()
    people.product_owner.post("stories/TILL-1/transitions/", {"name": "commit_to_sprint"})


def test_a_task_that_agents_gave_up_on_is_tried_again_when_a_person_asks(world: World) -> None:
    people = People(world.tenant)
    with scripted_model(planning()):
        begun(people, world)
        world.settle()
    (given_up,) = people.viewer.get("runs/", kind="work")["results"]
    assert given_up["state"] in ("failed", "escalated")
    path = f"runs/{given_up['number']}/retry/"
    people.viewer.post(path, WHY, status=403)
    people.viewer.post(path, {"reason": "Why"}, status=422)
    world.settle()
    assert len(people.viewer.get("runs/", kind="work")["results"]) == 1
    with scripted_model(mending()):
        people.developer.post(path, WHY)
        people.developer.post(path, WHY, status=409)
        world.settle()
    again = people.viewer.get("runs/", kind="work")["results"]
    assert [run["state"] for run in again] == ["succeeded", given_up["state"]]
    assert people.viewer.get("tasks/TILL-1.1/")["state"] == "pending_po_approval"
    people.developer.post(f"runs/{again[0]['number']}/retry/", WHY, status=409)


def test_a_story_that_could_not_be_planned_is_planned_when_a_person_asks(world: World) -> None:
    people = People(world.tenant)
    with scripted_model([]):
        people.developer.post("stories/", STORY, 201)
        people.developer.post("stories/TILL-1/transitions/", {"name": "submit"})
        people.product_owner.post("stories/TILL-1/transitions/", {"name": "approve_scope"})
        world.settle()
    (run,) = people.viewer.get("runs/", kind="plan")["results"]
    assert people.viewer.get("stories/TILL-1/")["state"] == "ready_for_planning"
    with scripted_model(mending()):
        people.architect.post(f"runs/{run['number']}/retry/", WHY)
        world.settle()
    assert people.viewer.get("stories/TILL-1/")["state"] == "planned"


def test_a_cancelled_run_stays_cancelled_and_its_task_is_free(world: World) -> None:
    people = People(world.tenant)
    with scripted_model(planning()):
        begun(people, world)
    for _ in range(2):
        relay()
        consume(world.tenant.schema)
    (run,) = people.viewer.get("runs/", kind="work", state="queued")["results"]
    people.viewer.post(f"runs/{run['number']}/cancel/", WHY, status=403)
    assert people.developer.post(f"runs/{run['number']}/cancel/", WHY)["state"] == "cancelled"
    people.developer.post(f"runs/{run['number']}/cancel/", WHY, status=409)
    world.settle()
    assert people.viewer.get(f"runs/{run['number']}/")["state"] == "cancelled"
    task = people.viewer.get("tasks/TILL-1.1/")
    assert (task["state"], task["holder"]) == ("todo", "")
