"""Sprints: one closing however often it is asked for or killed, and a burn-down that history alone draws."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from guildhall.evidence.delivery import deliver
from guildhall.kernel.actions import ActionContext, register_check
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.errors import Conflict, Denied, Invalid, Stale
from guildhall.kernel.tenancy import tenant_scope
from tests.support.mortal import DIED, in_child
from tests.support.tenants import TestTenant
from workflows.actions import add_task, close_sprint, complete_task, edit_sprint, mark_approved, open_sprint
from workflows.actions.sprints import end_sprint
from workflows.machines import MergeReceipt
from workflows.models import Sprint, SprintChange, Story, Task
from workflows.planning import TaskDraft
from workflows.selectors.planned import database_now
from workflows.selectors.sprints import burn_down_of, summary_of
from workflows.tasks import fire_due_schedules
from workflows.tests.test_schedules import children
from workflows.tests.world import World

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def shared(make_tenant: Callable[..., TestTenant]) -> World:
    return World(make_tenant())


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The shared tenant between two sprints: what the last test left open is closed."""
    with tenant_scope(shared.tenant.schema):
        left = Sprint.objects.filter(state="open").first()
        if left is not None:
            close_sprint(actor=shared.po, sprint=left)
    shared.settle()
    with shared.judging():
        yield shared


def opened(world: World, **content: object) -> Sprint:
    with tenant_scope(world.tenant.schema):
        return open_sprint(actor=world.po, project=world.project, content=content)  # type: ignore[arg-type]


def sprint_now(world: World, sprint: Sprint) -> Sprint:
    with tenant_scope(world.tenant.schema):
        return Sprint.objects.get(pk=sprint.pk)


def accepted(world: World, sha: str) -> Story:
    """A story that came all the way to accepted, with the receipt of its merge."""
    story, (task,) = world.committed()
    world.to_approval(task, sha)
    world.settle()
    with tenant_scope(world.tenant.schema):
        mark_approved(actor=world.system, task=world.fresh(task), approver=world.po, commit_sha=sha, approval="a")
        complete_task(actor=world.system, task=task, receipt=MergeReceipt(sha, f"m-{sha}"))
    world.settle()
    return world.move(story, "accept", world.po)


def remaining(world: World, sprint: Sprint) -> tuple[int | None, int | None]:
    with tenant_scope(world.tenant.schema):
        today = next(day for day in burn_down_of(sprint) if day.present)
    return today.points, today.tasks


def test_a_sprint_is_opened_with_what_it_is_for_and_one_at_a_time(world: World, other_tenant: TestTenant) -> None:
    sprint = opened(world, name="Handbook", goal="All answers right.", capacity=13)
    assert (sprint.name, sprint.capacity, sprint.state) == ("Handbook", 13, "open")
    with pytest.raises(Conflict, match="one sprint is open at a time"):
        opened(world)
    with tenant_scope(world.tenant.schema):
        with pytest.raises(Denied):
            close_sprint(actor=world.developer, sprint=sprint)
        with pytest.raises(Invalid) as bad:
            edit_sprint(
                actor=world.po,
                sprint=sprint,
                change={"ends_on": sprint.starts_on and sprint.starts_on.replace(year=2020)},
            )
        assert set(bad.value.fields) == {"ends_on"}
        changed = edit_sprint(actor=world.po, sprint=sprint, change={"capacity": 8}, version=1)
        with pytest.raises(Stale):
            edit_sprint(actor=world.po, sprint=sprint, change={"capacity": 9}, version=1)
        assert changed.version == 2
    with tenant_scope(other_tenant.schema), pytest.raises(RuntimeError):
        close_sprint(actor=world.po, sprint=sprint)


def test_the_burn_down_follows_every_act_and_its_sum_is_what_remains(world: World) -> None:
    sprint = opened(world)
    story, _ = world.committed(size="M")
    assert story.sprint_id == sprint.pk
    assert remaining(world, sprint) == (3, 1)
    with tenant_scope(world.tenant.schema):
        add_task(actor=world.architect, story=story, draft=TaskDraft("Write another", "developer"))
    assert remaining(world, sprint) == (3, 2)
    with tenant_scope(world.tenant.schema):
        second = Task.objects.get(story=story, number=2)
    world.act(second, "discard_task", world.po)
    assert remaining(world, sprint) == (3, 1)
    done = accepted(world, "b1")
    assert remaining(world, sprint) == (3, 1), "what was accepted is burnt down"
    world.move(story, "carry_over", world.po)
    assert remaining(world, sprint) == (0, 0), "what was taken out does not remain"
    world.move(story, "continue", world.po)
    assert remaining(world, sprint) == (3, 1)
    with tenant_scope(world.tenant.schema), connection.cursor() as cursor:
        summary = summary_of(sprint)
        assert (summary.points_committed, summary.points_done, summary.removed) == (5, 0, [])
        assert done.sprint_id == sprint.pk
        for statement in ("UPDATE workflows_sprintchange SET points = 0", "DELETE FROM workflows_sprintchange"):
            with pytest.raises(Exception, match="permission denied"):
                cursor.execute(statement)


def test_closing_settles_every_story_and_says_what_it_came_to(world: World) -> None:
    sprint = opened(world)
    finished, unfinished = accepted(world, "d1"), world.committed(size="L")[0]
    bare = accepted_without_receipt(world)
    with tenant_scope(world.tenant.schema):
        close_sprint(actor=world.po, sprint=sprint, version=1)
        with pytest.raises(Conflict, match="closing"):
            close_sprint(actor=world.po, sprint=sprint)
    planned = world.write()
    world.move(planned, "submit", world.developer)
    world.move(planned, "approve_scope", world.po)
    world.move(planned, "derive_tasks", world.architect, add=(TaskDraft("Write it", "developer"),))
    with pytest.raises(Conflict, match="being closed"):
        world.move(planned, "commit_to_sprint", world.po)
    world.settle()
    states = [world.state(story) for story in (finished, unfinished, bare)]
    assert states == ["done", "carry_over", "accepted"]
    closed = sprint_now(world, sprint)
    assert (closed.state, closed.closed_by) == ("closed", world.po.ref)
    assert closed.summary["done"] == [finished.reference]
    assert closed.summary["carried"] == [unfinished.reference]
    [kept] = closed.summary["kept"]
    assert kept["story"] == bare.reference
    assert "receipt" in kept["why"]
    assert (closed.summary["points_committed"], closed.summary["points_done"]) == (9, 2)
    world.move(planned, "commit_to_sprint", world.po)
    again = world.move(unfinished, "continue", world.po)
    assert again.sprint_id not in (None, sprint.pk), "it goes on in the next sprint"
    with pytest.raises(Conflict, match="closed"), tenant_scope(world.tenant.schema):
        close_sprint(actor=world.po, sprint=closed)


def accepted_without_receipt(world: World) -> Story:
    """An accepted story that nothing was merged for, as after a row that was put right by hand."""
    story, _ = world.committed()
    with tenant_scope(world.tenant.schema):
        Task.objects.filter(story=story).update(state="cancelled")
        Story.objects.filter(pk=story.pk).update(state="accepted")
    return story


def test_a_sprint_is_closed_by_the_platform_once_its_last_day_is_over_and_not_before(world: World) -> None:
    with tenant_scope(world.tenant.schema):
        today = database_now().date()
    sprint = opened(world, starts_on=today - timedelta(days=14), ends_on=today)
    unfinished, _ = world.committed()

    def calendar() -> Sprint:
        with tenant_scope(world.tenant.schema):
            fire_due_schedules._fn()
        world.settle()
        return sprint_now(world, sprint)

    assert calendar().state == "open", "its last day is part of it"
    with tenant_scope(world.tenant.schema):
        with pytest.raises(Conflict, match="not over"):
            end_sprint(actor=world.system, sprint=sprint)
        for slip in ({"ends_on": today - timedelta(days=1)}, {"starts_on": date(26, 11, 22)}):
            with pytest.raises(Invalid) as refused:
                edit_sprint(actor=world.po, sprint=sprint, change=slip)  # type: ignore[arg-type]
            assert set(slip) <= set(refused.value.fields), "who may set dates may not close it by one"
        Sprint.objects.filter(pk=sprint.pk).update(ends_on=today - timedelta(days=1))
        renamed: Any = {"name": "Over", "ends_on": today - timedelta(days=1)}
        edit_sprint(actor=world.po, sprint=sprint_now(world, sprint), change=renamed)
        with pytest.raises(Denied):
            end_sprint(actor=world.po, sprint=sprint)
    ended = calendar()
    assert (ended.state, ended.closed_by) == ("closed", "system:scheduler")
    assert ended.summary["carried"] == [unfinished.reference]
    assert world.state(unfinished) == "carry_over"
    calendar()


def test_two_closings_at_once_are_one(world: World) -> None:
    sprint = opened(world)
    world.committed()

    def close() -> None:
        with tenant_scope(world.tenant.schema):
            close_sprint(actor=world.po, sprint=sprint)

    assert sorted(children([close] * 3)) == [0, 1, 1]
    world.settle()
    assert sprint_now(world, sprint).state == "closed"


def test_a_killed_closing_is_finished_by_the_next_delivery(world: World) -> None:
    sprint = opened(world)
    stories = [world.committed()[0] for _ in range(3)]
    with tenant_scope(world.tenant.schema):
        close_sprint(actor=world.po, sprint=sprint)
    world._place()
    for fatal, moved in (("story.carry_over", 1), ("sprint.finish_closing", 3)):
        assert in_child(lambda fatal=fatal: die_at(world, fatal)) == DIED  # type: ignore[misc]
        assert sprint_now(world, sprint).state == "closing"
        assert [world.state(story) for story in stories].count("carry_over") == moved
        free_consumers(world)
    world.settle()
    closed = sprint_now(world, sprint)
    assert closed.state == "closed"
    assert closed.summary["carried"] == [story.reference for story in stories]
    with tenant_scope(world.tenant.schema):
        carried = SprintChange.objects.filter(sprint=sprint, cause="carry_over")
        assert carried.count() == 3, "each story moved once"


def die_at(world: World, fatal: str) -> None:
    """Deliver to the closing consumer until it does `fatal` (a second time, when stories are moved); then die."""
    seen = []

    def check(context: ActionContext) -> None:
        seen.append(context.name)
        if context.name == fatal and (fatal != "story.carry_over" or seen.count(fatal) == 2):
            os.kill(os.getpid(), signal.SIGKILL)

    register_check(check)
    with tenant_scope(world.tenant.schema):
        deliver(registered_consumers()["workflows.sprints"])


def free_consumers(world: World) -> None:
    """The lease of a consumer that died is over, as it is after a while."""
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
        db.execute("UPDATE evidence.consumer_cursor SET leased_until = NULL WHERE tenant = %s", [world.tenant.schema])
