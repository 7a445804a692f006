"""Approving a scope and a plan: by whom, of which version, and what the trail keeps of it (docs/adr/0010)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from guildhall.evidence.selectors import recent
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, NotFound, Stale
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.actions import edit_proposal, edit_story, edit_task, record_proposal, reorder_tasks
from workflows.models import Story
from workflows.planning import Derived, TaskDraft
from workflows.tests.world import World

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tenant: TestTenant) -> Iterator[World]:
    world = World(tenant)
    with world.judging():
        yield world


def kept(world: World, action: str) -> dict[str, Any]:
    """What the trail holds of the last such act."""
    with tenant_scope(world.tenant.schema):
        after: dict[str, Any] = next(row for row in recent(limit=50) if row["action"] == f"story.{action}")["after"]
    return after


def test_scope_and_plan_are_approved_once_by_their_people_and_of_what_they_saw(world: World) -> None:
    story = world.write()
    world.move(story, "submit", world.developer)
    seen = 2
    for author in (world.developer, world.tenant.agent("product_owner", "rogue"), world.tenant.agent("planner", "ada")):
        with pytest.raises((Denied, NotFound)):
            world.move(story, "approve_scope", author, version=seen)
    with tenant_scope(world.tenant.schema):
        row = Story.objects.get(pk=story.pk)
        assert row.version == seen
        edit_story(actor=world.developer, story=row, content={"title": "Answer returns, and refund them"})
    with pytest.raises(Stale):
        world.move(story, "approve_scope", world.po, version=seen)
    world.move(story, "approve_scope", world.po, version=seen + 1)
    with pytest.raises(Conflict):
        world.move(story, "approve_scope", world.po)
    scope = kept(world, "approve_scope")
    assert scope["version"] == seen + 1
    with tenant_scope(world.tenant.schema):
        edit_story(actor=world.developer, story=Story.objects.get(pk=story.pk), content={"brief": "Other words."})
    world.move(story, "derive_tasks", world.architect, add=[TaskDraft("Write the entry", "developer")])
    with tenant_scope(world.tenant.schema):
        planned = Story.objects.get(pk=story.pk)
        with pytest.raises(Conflict, match="settled"):
            edit_story(actor=world.developer, story=planned, content={"title": "Something else"})
    for other in (world.architect, world.developer, world.tenant.agent("planner", "ada")):
        with pytest.raises((Denied, NotFound)):
            world.move(story, "commit_to_sprint", other)
    with pytest.raises(Stale):
        world.move(story, "commit_to_sprint", world.po, version=seen + 1)
    world.move(story, "commit_to_sprint", world.po, version=planned.version)
    contents = [kept(world, name)["content"] for name in ("approve_scope", "derive_tasks", "commit_to_sprint")]
    assert contents[0] != contents[1] == contents[2], "the words that were changed in between are others"


def test_tasks_are_accepted_and_committed_as_they_were_seen(world: World) -> None:
    """Whatever anybody does to the tasks between a look and the act makes that look an old one."""
    story, planner = world.write(), world.tenant.agent("planner", "pat")
    world.move(story, "submit", world.developer)
    world.move(story, "approve_scope", world.po)
    one, two = TaskDraft("Write it", "developer"), TaskDraft("Tell it", "data")

    def overtaken(name: str, actor: Actor, change: Callable[[Story], object], *, checks: bool = True) -> None:
        """`actor` looks, `change` is made over the same look, and then neither it nor the act is possible over it."""
        with tenant_scope(world.tenant.schema):
            seen = Story.objects.get(pk=story.pk)
            change(seen)
            assert Story.objects.get(pk=story.pk).version == seen.version + 1
        with pytest.raises(Stale):
            world.move(story, name, actor, version=seen.version)
        if checks:
            with tenant_scope(world.tenant.schema), pytest.raises(Stale):
                change(seen)

    def planned(row: Story) -> object:
        return record_proposal(actor=planner, story=row, result=Derived((one,), 1))

    def rewritten(row: Story) -> object:
        return edit_proposal(actor=world.po, story=row, drafts=[one, two], version=row.version)

    def changed(row: Story) -> object:
        task = row.tasks.order_by("number")[0]
        return edit_task(actor=world.architect, task=task, change={"size": "M"}, story_version=row.version)

    def reordered(row: Story) -> object:
        order = list(row.tasks.order_by("-number").values_list("reference", flat=True))
        return reorder_tasks(actor=world.architect, story=row, order=order, version=row.version)

    overtaken("derive_tasks", world.architect, planned, checks=False)
    overtaken("derive_tasks", world.architect, rewritten)
    world.move(story, "derive_tasks", world.architect)
    overtaken("commit_to_sprint", world.po, changed)
    overtaken("commit_to_sprint", world.po, reordered)
    with tenant_scope(world.tenant.schema):
        assert list(story.tasks.order_by("rank").values_list("title", "size")) == [("Tell it", "S"), ("Write it", "M")]
        assert list(story.derivations.values_list("state", flat=True)) == ["accepted"]


def test_a_proposal_whose_tasks_were_not_taken_is_not_called_accepted(world: World) -> None:
    story, one = world.write(), TaskDraft("Write it", "developer")
    world.move(story, "submit", world.developer)
    world.move(story, "approve_scope", world.po)
    with tenant_scope(world.tenant.schema):
        edit_proposal(actor=world.po, story=story, drafts=[one])
    world.move(story, "derive_tasks", world.architect, add=[TaskDraft("Something else", "data")])
    with tenant_scope(world.tenant.schema):
        assert story.derivations.get().state == "replaced"
        assert story.tasks.get().title == "Something else"
