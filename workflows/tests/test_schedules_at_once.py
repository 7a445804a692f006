"""Schedules whose firings overlap, with several processes at once: each is queued, released, replaced and written once."""

from collections.abc import Callable

import pytest

from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.actions.firing import release_queued, write_scheduled_story
from workflows.actions.strategies import end_strategy
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
