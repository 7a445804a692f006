"""Approving a scope and a plan: by whom, of which version, and what the trail keeps of it (docs/adr/0010)."""

from collections.abc import Iterator
from typing import Any

import pytest

from guildhall.evidence.selectors import recent
from guildhall.kernel.errors import Conflict, Denied, NotFound, Stale
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.actions import edit_story
from workflows.models import Story
from workflows.planning import TaskDraft
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
