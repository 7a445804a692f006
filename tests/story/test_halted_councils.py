"""Councils that something stops: holds, stopped stories and people. Each goes on, or can be tried again, and is
told of; and so does what agents did beside them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from governance.actions.holds import lift_hold, place_hold
from gpu_workers.actions.agents import rest_agent, wake_agent
from gpu_workers.actions.retries import retry_run
from gpu_workers.actions.runs import MAX_POSTPONED
from gpu_workers.models import Agent, Run, RunStep
from gpu_workers.models.run import RunState
from gpu_workers.runs.engine import execute
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.story.scripts import deliberating, mending
from tests.story.test_bugfix_story import STORY
from tests.story.test_councils import USUAL, WHY, council_of, council_runs, heard, planned, speechless
from tests.story.test_engine_faults import an_hour_later
from tests.support.clients import signed_in
from tests.support.processes import until
from tests.support.pump import consume, relay, run_agents
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.actions import transition_story
from workflows.models import Contribution, Council, CouncilScore, Notice, Story
from workflows.planning import TaskDraft

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


def all_rest(world: World, *, asleep: bool) -> None:
    """Put everybody who sits on councils to rest, or wake them."""
    with tenant_scope(world.tenant.schema):
        admin = world.tenant.actor("admin")
        for agent in Agent.objects.filter(role__in=("architect", "developer", "qa")):
            if asleep:
                rest_agent(actor=admin, agent=agent, reason="They rest for a little.")
            else:
                wake_agent(actor=admin, agent=agent)


def test_a_council_that_no_run_is_at_ends_with_its_plan_and_holds_no_story_up(world: World) -> None:
    people = People(world.tenant)
    with scripted_model(deliberating()):
        story = planned(world)
        path = f"stories/{story.reference}/councils/"
        gone = people.architect.post(path, {"subject": "design"}, 201)["id"]
        with tenant_scope(world.tenant.schema):
            for name, role in (("reset", "product_owner"), ("submit", "developer"), ("approve_scope", "product_owner")):
                feedback = "Plan it anew, please." if name == "reset" else ""
                actor = world.tenant.actor(role)
                story = transition_story(actor=actor, story=story, name=name, feedback=feedback)
            draft = TaskDraft("Round VAT on the whole", "developer")
            transition_story(actor=world.tenant.actor("architect"), story=story, name="derive_tasks", add=[draft])
        told = people.viewer.get(f"councils/{gone}/")
        assert (told["state"], told["stands"], told["reason"]) == (
            "stopped",
            False,
            f"{story.reference} is planned anew",
        )
        made = people.architect.post(path, {"subject": "design"}, 201)["id"]
        assert made != gone
        all_rest(world, asleep=True)
        world.settle()
        assert not world.runs(), "nobody is there to deliberate"
        assert people.product_owner.get(f"councils/{made}/")["allowed_actions"] == ["waive"]
        waived = people.product_owner.post(f"councils/{made}/waive/", {"reason": WHY}, 200)
        assert (waived["state"], waived["reason"]) == ("stopped", "No agent was at it when the story was let go on.")
        all_rest(world, asleep=False)
        world.settle()
    with tenant_scope(world.tenant.schema):
        states = Council.objects.order_by("pk").values_list("subject", "state")
        assert list(states) == [("design", "stopped"), ("design", "stopped"), ("plan", "completed")]


def test_a_council_that_is_tried_again_while_all_rest_goes_on_once_they_wake(world: World) -> None:
    with scripted_model(speechless("architect", "developer", "qa")):
        planned(world)
        world.settle()
    with scripted_model(deliberating()):
        all_rest(world, asleep=True)
        (run,) = council_runs(world)
        with tenant_scope(world.tenant.schema):
            retry_run(actor=world.owner, run=run, reason="Try it again, please.")
        world.settle()
        assert council_of(world).state == "stopped"
        all_rest(world, asleep=False)
        world.settle()
        council = council_of(world)
        assert (council.state, heard(world, council)) == ("completed", USUAL)
        assert len(council_runs(world)) == 2


@pytest.mark.parametrize(
    ("fault", "said"), [({"status": 400}, "scripted failure"), ({"garbage": True}, "did not answer")]
)
def test_a_seat_whose_model_stays_away_abstains_and_the_others_decide(
    world: World, fault: dict[str, Any], said: str
) -> None:
    schema, dead = world.tenant.schema, {"contains": ["You sit here as the developer."]}
    with scripted_model([{"when": dead, **fault}, *deliberating({"A": {"C": 5}, "B": {}, "C": {"A": 7}})]):
        planned(world)
        relay()
        consume(schema)
        (run,) = council_runs(world)
        with tenant_scope(schema):
            for _ in range(MAX_POSTPONED - 1):
                execute(run.number)
                assert not council_of(world).contributions.filter(valid=False).exists(), "its model may come back"
                Run.objects.filter(retry_at__isnull=False).update(retry_at=None)
            an_hour_later(run.number)
            execute(run.number)
    council, (run,) = council_of(world), council_runs(world)
    assert (council.state, run.state) == ("completed", RunState.SUCCEEDED), run.reason
    assert council.winner is not None
    assert council.winner.letter == "A"
    with tenant_scope(schema):
        (absent,) = council.contributions.filter(valid=False)
        assert (absent.author.letter, absent.phase) == ("B", "proposal")
        assert said in absent.problem


def test_agents_take_up_what_the_stop_of_their_story_ended(make_tenant: Callable[..., TestTenant]) -> None:
    world = World.build(make_tenant(), "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with scripted_model(mending()):
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
