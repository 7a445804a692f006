"""Councils that something stops: holds, stopped stories and people. Each goes on, or can be tried again, and is
told of; and so does what agents did beside them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from governance.actions.holds import lift_hold, place_hold
from gpu_workers.models import RunStep
from gpu_workers.models.run import RunState
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.story.scripts import bugfix, deliberating
from tests.story.test_bugfix_story import STORY
from tests.story.test_councils import USUAL, WHY, council_of, council_runs, heard, planned
from tests.support.clients import signed_in
from tests.support.processes import until
from tests.support.pump import consume, relay, run_agents
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.actions import transition_story
from workflows.models import Contribution, CouncilScore, Notice, Story

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tenant: TestTenant) -> World:
    return World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py", councils=True)


def test_holding_a_seated_agent_stops_the_council_at_once_and_lifting_the_hold_lets_it_go_on(world: World) -> None:
    schema = world.tenant.schema

    def hold_when_asked() -> None:
        with tenant_scope(schema):
            until(lambda: RunStep.objects.filter(kind="model").count() == 3, seconds=60, what="three calls")
            place_hold(actor=world.owner, kind="agent", target="agent:wren", reason="It has to be looked at.")
        connection.close()

    with scripted_model([{**rule, "hold": True} for rule in deliberating()]):
        planned(world)
        relay()
        consume(schema)
        with ThreadPoolExecutor(1) as beside:
            held = beside.submit(hold_when_asked)
            run_agents(schema)
            held.result()
        relay()
        consume(schema)
    council, (run,) = council_of(world), council_runs(world)
    assert (council.is_open, run.state) == (True, RunState.QUEUED), "it goes on when the hold ends"
    assert "It has to be looked at." in run.reason
    with tenant_scope(schema):
        assert not CouncilScore.objects.exists()
        assert not Contribution.objects.filter(valid=True).exists()
    with scripted_model(deliberating()):
        with tenant_scope(schema):
            lift_hold(actor=world.owner, kind="agent", target="agent:wren")
        world.settle()
    council, (run,) = council_of(world), council_runs(world)
    assert (council.state, heard(world, council), run.state) == ("completed", USUAL, "succeeded")


def test_a_council_goes_on_with_its_story_and_what_people_stopped_they_have_tried_again(world: World) -> None:
    people, schema = People(world.tenant), world.tenant.schema
    with scripted_model(deliberating()):
        story = planned(world, begun=True)
        relay()
        consume(schema)
        with tenant_scope(schema):
            transition_story(actor=world.owner, story=story, name="carry_over")
        world.settle()
        council = council_of(world)
        assert (council.state, council.reason) == ("stopped", f"{story.reference} was stopped: carry over")
        browser = signed_in(world.tenant, world.tenant.member("architect"))
        page = browser.get(f"/stories/{story.reference}/").content.decode()
        assert f"{story.reference} was stopped: carry over" in page
        with tenant_scope(schema):
            transition_story(actor=world.owner, story=Story.objects.get(pk=story.pk), name="continue")
        while relay():
            consume(schema)
        run = council_runs(world)[-1]
        assert (run.state, len(council_runs(world))) == ("queued", 2), "it is held again without being asked"
        people.architect.post(f"runs/{run.number}/cancel/", {"reason": "Not before the audit."})
        world.settle()
        council = council_of(world)
        assert (council.state, council.reason) == ("stopped", "Not before the audit.")
        assert not [run for run in world.runs() if run.kind == "work"], "agents begin nothing without it"
        assert people.architect.get(f"councils/{council.pk}/")["allowed_actions"] == ["call", "retry", "waive"]
        assert people.viewer.get(f"councils/{council.pk}/")["allowed_actions"] == []
        people.architect.post(f"runs/{run.number}/retry/", {"reason": WHY})
        world.settle()
        council = council_of(world)
    assert (council.state, heard(world, council)) == ("completed", USUAL)
    with tenant_scope(schema):
        author = world.tenant.actor("developer")
        told = Notice.objects.filter(kind="council", person=author.ref).order_by("id")
        assert list(told.values_list("actor_name", "sentence")) == [
            (f"Council {council.pk}", f"came to no result: {story.reference} was stopped: carry over"),
            (f"Council {council.pk}", "came to no result: Not before the audit."),
            (f"Council {council.pk}", f"chose proposal B (8.50 of 10) for {story.reference}"),
        ]


def test_agents_take_up_what_the_stop_of_their_story_ended(make_tenant: Callable[..., TestTenant]) -> None:
    world = World.build(make_tenant(), "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with scripted_model(bugfix()):
        story = world.story(**STORY)
        while relay():
            consume(world.tenant.schema)
        assert [(run.kind, run.state) for run in world.runs()][1:] == [("work", "queued")]
        for name, runs in (("carry_over", ["cancelled"]), ("continue", ["cancelled", "succeeded"])):
            with tenant_scope(world.tenant.schema):
                transition_story(actor=world.owner, story=Story.objects.get(pk=story.pk), name=name)
            world.settle()
            assert [run.state for run in world.runs() if run.kind == "work"] == runs
    assert world.task(story).state == "pending_po_approval"
