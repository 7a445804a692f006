"""Schedules whose firings overlap: each is queued, released, replaced and written once, whatever happens meanwhile."""

from collections.abc import Callable

import pytest

from governance.actions.holds import lift_hold, place_hold
from guildhall.kernel.tenancy import identity_scope, tenant_scope
from tenants.models import User
from tests.support.tenants import TestTenant
from workflows.actions.firing import fire_schedule, release_queued, write_scheduled_story
from workflows.actions.strategies import end_strategy, remove_schedule
from workflows.models import Story, Strategy
from workflows.tests.test_schedules import Planned, children
from workflows.tests.world import World

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world(make_tenant: Callable[..., TestTenant]) -> World:
    return World(make_tenant())


def test_schedulers_at_the_same_moment_queue_one_firing_and_release_one(world: World) -> None:
    planned = Planned(world, "queue")
    first = planned.fire()
    for waiting in (1, 2):
        planned.due()
        assert children([planned.scheduler] * 4) == [0] * 4
        assert [run.state for run in planned.runs()] == ["planned", *["queued"] * waiting]
    world.settle()

    def release() -> None:
        with tenant_scope(planned.schema):
            release_queued(actor=world.system, strategy=Strategy.objects.get(pk=planned.strategy.pk))

    assert children([release] * 3) == [1] * 3, "the one before is not finished"
    assert first.story is not None
    world.move(first.story, "reset", world.po, feedback="We begin anew, thank you.")
    assert sorted(children([release] * 4)) == [0, 1, 1, 1]
    world.settle()
    assert [run.state for run in planned.runs()] == ["planned", "planned", "queued"]
    with tenant_scope(planned.schema):
        assert Story.objects.filter(strategy=planned.strategy).count() == 2


def test_schedulers_at_the_same_moment_replace_once(world: World) -> None:
    planned = Planned(world, "replace")
    first = planned.fire()
    assert first.story is not None
    world.move(first.story, "approve_scope", world.po)
    planned.due()
    assert children([planned.scheduler] * 4) == [0] * 4
    number = planned.runs()[-1].number

    def write() -> None:
        with tenant_scope(planned.schema):
            strategy = Strategy.objects.get(pk=planned.strategy.pk)
            write_scheduled_story(actor=world.po, strategy=strategy, number=number)

    assert sorted(children([write] * 3)) == [0, 1, 1]
    world.settle()
    assert [run.state for run in planned.runs()] == ["replaced", "planned"]
    assert world.state(first.story) == "draft"
    with tenant_scope(planned.schema):
        assert Story.objects.filter(strategy=planned.strategy).count() == 2
        assert first.story.ref != planned.runs()[-1].story.ref  # type: ignore[union-attr]


def test_a_firing_that_cannot_be_carried_out_any_more_says_why(world: World) -> None:
    planned = Planned(world)
    planned.due()
    planned.scheduler()
    with tenant_scope(planned.schema):
        end_strategy(actor=world.po, strategy=Strategy.objects.get(pk=planned.strategy.pk))
    world.settle()
    (run,) = planned.runs()
    assert (run.state, run.story) == ("failed", None)
    assert run.reason == "The story cannot be put there. strategy: This one is ended."


def test_a_firing_that_waits_is_begun_or_let_go_whatever_becomes_of_those_before(world: World) -> None:
    owner = world.tenant.actor("product_owner", name="Goes On")
    planned = Planned(world, "queue", owner=owner)
    first, *_ = planned.fire(), planned.fire(), planned.fire()
    assert first.story is not None
    with identity_scope():
        User.objects.filter(public_id=owner.id).update(is_active=False)
    world.move(first.story, "reset", world.po, feedback="We begin anew, thank you.")
    world.settle()
    assert [run.state for run in planned.runs()] == ["planned", "failed", "failed"], "the last waits for nothing"

    planned = Planned(world, "queue")
    planned.fire(), planned.fire()
    with tenant_scope(world.tenant.schema):
        remove_schedule(actor=world.po, strategy=planned.strategy)
    assert planned.runs()[-1].reason == "Its schedule was taken away."
    planned.plan("queue")
    planned.fire()
    planned.plan("replace")
    assert [run.state for run in planned.runs()] == ["planned", "skipped", "skipped"]
    planned.fire()
    world.settle()
    assert [run.state for run in planned.runs()] == ["replaced", "skipped", "skipped", "planned"], "no older one begins"


def test_a_firing_replaces_one_that_a_kill_switch_holds_back(world: World) -> None:
    planned = Planned(world, "replace")
    planned.due()
    planned.scheduler()
    with tenant_scope(world.tenant.schema):
        place_hold(actor=world.po, kind="tenant", target="", reason="Everybody is on holiday.")
    world.settle()
    with tenant_scope(world.tenant.schema):
        lift_hold(actor=world.po, kind="tenant", target="")
    planned.due()
    with tenant_scope(world.tenant.schema):
        fire_schedule(actor=world.system, strategy=planned.strategy)
    world.settle()
    assert [run.state for run in planned.runs()] == ["replaced", "planned"]


def test_nothing_that_waits_passes_a_kill_switch(world: World) -> None:
    planned = Planned(world, "queue")
    schema, first, _ = world.tenant.schema, planned.fire(), planned.fire()
    other = Planned(world)
    other.due()
    other.scheduler()  # fired, and not yet carried out
    with tenant_scope(schema):
        place_hold(actor=world.po, kind="tenant", target="", reason="Everybody is on holiday.")
        stories = Story.objects.count()
    assert first.story is not None
    world.move(first.story, "reset", world.po, feedback="We begin anew, thank you.")
    world.settle()
    planned.scheduler()
    world.settle()
    with tenant_scope(schema):
        assert Story.objects.count() == stories, "nothing is written while everything is on hold"
        lift_hold(actor=world.po, kind="tenant", target="")
    assert (planned.runs()[1].state, other.runs()[0].state) == ("queued", "queued")
    planned.scheduler()
    world.settle()
    assert (planned.runs()[1].state, other.runs()[0].state) == ("planned", "planned"), "it is made up for"
