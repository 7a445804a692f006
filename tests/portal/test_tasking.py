"""A story's tasks by forms: proposed, put in order, accepted and changed, over what was seen."""

from collections.abc import Callable
from typing import Any

import pytest

from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import program, signed_in, tokens_of
from tests.support.tenants import TestTenant
from workflows.models import Task
from workflows.tests.world import World

pytestmark = pytest.mark.integration


def said(page: str, name: str) -> str:
    """What a page's first hidden field of this name holds."""
    return page.split(f'name="{name}" value="')[1].split('"')[0]


def test_a_proposal_is_written_put_in_order_and_accepted_by_a_form(make_tenant: Callable[..., TestTenant]) -> None:
    world = World(make_tenant())
    row = world.write()
    world.move(row, "submit", world.developer)
    world.move(row, "approve_scope", world.po)
    member = world.tenant.member("product_owner")
    owner = signed_in(world.tenant, member)
    drafts: dict[str, Any] = {
        "title": ["Build it", "Measure it", ""],
        "role": ["developer", "data", "developer"],
        "size": ["M", "S", "S"],
        "risk": ["low", "low", "low"],
        "acceptance": ["It stands", "", ""],
        "depends_on": ["", "1", ""],
        "place": ["1", "2", ""],
    }
    circle = {**drafts, "depends_on": ["2", "1", ""]}
    refused = owner.submit("/stories/SHOP-1/proposal/", circle)
    assert refused.status_code == 422
    assert "in a circle" in refused.content.decode()
    assert "Measure it" in refused.content.decode()
    lost = owner.submit("/stories/SHOP-1/proposal/", {**drafts, "depends_on": ["", "3", ""]})
    assert "Task 2 depends on 3, which is not in the list." in lost.content.decode()
    strange = owner.submit("/stories/SHOP-1/proposal/", {**drafts, "depends_on": ["", "1, SHOP-1.7", "x"]})
    assert "Task 2 needs SHOP-1.7: not a task of this story that stays; the story has none." in strange.content.decode()
    assert 'value="1, SHOP-1.7"' in strange.content.decode()
    assert owner.submit("/stories/SHOP-1/proposal/", {**drafts, "act": "save"}).status_code == 302
    assert "Measure it" in owner.get("/stories/SHOP-1/").content.decode()
    assert owner.submit("/stories/SHOP-1/proposal/", {**drafts, "act": "accept"}).status_code == 403
    architect = signed_in(world.tenant, world.tenant.member("architect"))
    seen = said(architect.get("/stories/SHOP-1/proposal/").content.decode(), "version")
    assert seen == said(architect.get("/stories/SHOP-1/").content.decode(), "version")
    assert owner.submit("/stories/SHOP-1/proposal/", {**drafts, "act": "save", "version": seen}).status_code == 302
    late = architect.submit("/stories/SHOP-1/proposal/", {**drafts, "act": "accept", "version": seen})
    assert (late.status_code, "It was changed meanwhile" in late.content.decode()) == (412, True)
    blind = architect.submit("/stories/SHOP-1/", {"act": "derive_tasks", "version": seen})
    assert blind.status_code == 412, "the tasks are not those that the story's page showed"
    seen = said(architect.get("/stories/SHOP-1/proposal/").content.decode(), "version")
    accepted = architect.submit("/stories/SHOP-1/proposal/", {**drafts, "act": "accept", "version": seen})
    assert accepted["Location"] == "/stories/SHOP-1/"
    with tenant_scope(world.tenant.schema):
        tasks = list(Task.objects.order_by("number"))
        assert [(task.title, task.role) for task in tasks] == [("Build it", "developer"), ("Measure it", "data")]
        assert tasks[1].dependencies.get().needs == tasks[0]
    change = {"title": "Build it well", "role": "devops", "size": "L", "risk": "high", "place": "2", "version": "1"}
    assert owner.submit("/tasks/SHOP-1.1/edit/", change).status_code == 302
    assert owner.submit("/tasks/SHOP-1.1/edit/", change).status_code == 412
    assert owner.submit("/stories/SHOP-1/tasks/new/", {**change, "title": "x"}).status_code == 422
    lost = owner.submit("/stories/SHOP-1/tasks/new/", {**change, "title": "Tell them", "depends_on": "SHOP-1.7"})
    assert (lost.status_code, "choose from SHOP-1.1, SHOP-1.2." in lost.content.decode()) == (422, True)
    more = {**change, "title": "Tell them", "depends_on": "SHOP-1.2, SHOP-1.1"}
    assert owner.submit("/stories/SHOP-1/tasks/new/", more).status_code == 302
    with tenant_scope(world.tenant.schema):
        needed = Task.objects.get(title="Tell them").dependencies.values_list("needs__reference", flat=True)
        assert sorted(needed) == ["SHOP-1.1", "SHOP-1.2"]
        order = Task.objects.order_by("rank", "number").values_list("title", flat=True)
        assert list(order) == ["Measure it", "Build it well", "Tell them"]
    opened = owner.get("/tasks/SHOP-1.3/edit/").content.decode()
    over = {name: said(opened, name) for name in ("version", "story_version", "shown_place")}
    moved_on = {**change, "title": "Measure", "place": "3"}
    assert architect.submit("/tasks/SHOP-1.2/edit/", moved_on).status_code == 302
    words = {**change, **over, "title": "Tell all", "place": over["shown_place"]}
    late = owner.submit("/tasks/SHOP-1.3/edit/", {**words, "place": "1"})
    assert late.status_code == 412, "its place is one among others, and those have moved"
    assert owner.submit("/tasks/SHOP-1.3/edit/", words).status_code == 302, "its words are its own"
    with tenant_scope(world.tenant.schema):
        order = Task.objects.order_by("rank", "number").values_list("title", flat=True)
        assert list(order) == ["Build it well", "Tell all", "Measure"]
    api, add = program(world.tenant, tokens_of(world.tenant, member)["access"]), "/api/v1/stories/SHOP-1/tasks/"
    for needs, status in (["SHOP-1.3"], 201), (["SHOP-1.3", "SHOP-1.7"], 422), (["SHOP-1"], 422):
        body = {"title": f"Wait for {len(needs)}", "role": "data", "needs": needs}
        made = api.post(add, body, content_type="application/json")
        assert (made.status_code, made.json().get("depends_on", needs)) == (status, needs)
    qa = signed_in(world.tenant, world.tenant.member("qa"))
    assert qa.get("/tasks/SHOP-1.1/edit/").status_code == 403
