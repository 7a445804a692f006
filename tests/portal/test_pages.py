"""Pages: who gets them, what they show, and that another tenant's or a client's eyes find nothing."""

import html
from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from gpu_workers.models import RunStep
from guildhall.kernel.tenancy import tenant_scope
from tenants.models import Membership
from tests.story.test_bugfix_story import STORY
from tests.support.clients import Browser, signed_in
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of
from workflows.actions import create_story
from workflows.models import Project

pytestmark = pytest.mark.integration

PAGES = (
    "/",
    "/stories/",
    "/stories/?view=list",
    "/stories/?show=mine",
    "/stories/new/",
    "/stories/TILL-1/",
    "/stories/TILL-1/edit/",
    "/tasks/TILL-1.1/",
    "/runs/",
    "/runs/1/",
    "/runs/2/",
    "/runs/2/log/?after=0",
    "/approvals/",
    "/approvals/?show=decided",
    "/approvals/1/",
    "/pause/",
    "/palette/?q=TILL",
)


WRITING = {"/stories/new/", "/stories/TILL-1/edit/"}


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("role", ["product_owner", "viewer"])
def test_a_member_gets_every_page(told: World, role: str, path: str) -> None:
    browser = signed_in(told.tenant, told.tenant.member(role))
    assert browser.get(path).status_code == (403 if role == "viewer" and path in WRITING else 200)


def test_nobody_is_offered_a_story_to_write_who_may_not(told: World) -> None:
    writer, reader = (signed_in(told.tenant, told.tenant.member(role)) for role in ("developer", "viewer"))
    for path in ("/", "/stories/", "/stories/?view=list", "/settings/projects/TILL/", "/palette/?q=new+story"):
        assert "/stories/new/" in writer.get(path).content.decode(), path
        assert "/stories/new/" not in reader.get(path).content.decode(), path
    assert 'id="bulk"' not in reader.get("/stories/?view=list").content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_nobody_is_led_to_the_sign_in(told: World, path: str) -> None:
    answer = Browser(told.tenant.host).get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize("path", ["/stories/TILL-1/", "/tasks/TILL-1.1/", "/runs/1/", "/runs/2/log/", "/approvals/1/"])
def test_what_another_tenant_has_is_not_there(told: World, residents: tuple[TestTenant, TestTenant], path: str) -> None:
    stranger = residents[0]
    browser = signed_in(stranger, stranger.member("admin"))
    answer = browser.get(path)
    assert answer.status_code == 404
    assert b"Reference" in answer.content
    assert str(STORY["title"]) not in answer.content.decode()


def test_a_refusal_says_why_and_carries_the_operation(told: World) -> None:
    answer = signed_in(told.tenant, told.tenant.member("viewer")).get("/stories/TILL-999/")
    assert answer.status_code == 404
    assert "There is no story TILL-999." in answer.content.decode()
    assert answer["X-Request-Id"] in answer.content.decode()


def test_a_client_sees_its_own_story_and_nothing_inside(make_tenant: Callable[..., TestTenant]) -> None:
    world = World.build(make_tenant(), "SHOP", files_of(DEMO / "till"), "true")
    visitor = world.tenant.member("client")
    with tenant_scope(world.tenant.schema):
        Membership.objects.filter(roles=["client"]).update(client="acme")
        Project.objects.update(client="acme")
        author = world.tenant.actor("developer")
        for title, visible in (("For their eyes", True), ("Among ourselves", False)):
            create_story(
                actor=author,
                project=world.project,
                content={"title": title, "client_visible": visible, "evidence": "What we know inside"},
            )
    browser = signed_in(world.tenant, visitor)
    board, shared = browser.get("/stories/").content.decode(), browser.get("/stories/SHOP-1/").content.decode()
    assert "For their eyes" in board
    assert "Among ourselves" not in board + browser.get("/palette/?q=SHOP").content.decode()
    assert browser.get("/stories/SHOP-2/").status_code == 404
    for inside in ("What we know inside", "Cost", "activity", "/runs/", "Pause all"):
        assert inside not in shared.partition("<main")[2].partition("</main>")[0], inside
    assert browser.get("/runs/").status_code == 404


def test_every_step_of_a_run_opens(told: World) -> None:
    """What the agent was told, with what it called and what it got: in the run's page, or on a page of the step's own."""
    browser = signed_in(told.tenant, told.tenant.member("viewer"))
    hostile = "<script>alert(1)</script>" + "x" * 3000
    with tenant_scope(told.tenant.schema):
        steps = {step.kind: step for step in RunStep.objects.filter(run__number=2)}
        of_a_plan = RunStep.objects.filter(run__number=1).latest("pk")
        planted = RunStep.objects.create(
            run=of_a_plan.run, key="executor.99", phase="executor", kind="tool", title="read_file till.py", request={
                "arguments": {"path": hostile},
            }, response={"ok": False, "text": "no such file"}, finished_at=Now(),
        )  # fmt: skip
    run = browser.get("/runs/2/").content.decode()
    for step in steps.values():
        assert f'href="/runs/2/steps/{step.pk}/"' in run
        assert browser.get(f"/runs/2/steps/{step.pk}/").status_code == 200
    model, tool = (browser.get(f"/runs/2/steps/{steps[kind].pk}/").content.decode() for kind in ("model", "tool"))
    assert "What the model was told" in model
    assert "Instructions" in model
    assert html.escape(str(STORY["title"])) in model
    assert "Called with" in tool
    assert html.escape(next(iter(steps["tool"].request["arguments"].values()))[:60]) in tool
    assert html.escape((steps["tool"].response or {})["text"][:60]) in tool
    at = f"/runs/1/steps/{planted.pk}/"
    whole, gist = browser.get(at).content.decode(), browser.get(at, headers={"HX-Request": "true"}).content.decode()
    assert html.escape(hostile) in whole
    assert "no such file" in gist
    assert "See all of it" in gist
    assert "</html>" not in gist
    assert "x" * 2500 not in gist
    assert "<script>alert" not in whole + gist
    assert browser.get(f"/runs/2/steps/{planted.pk}/").status_code == 404, "of another run"
    visitor = signed_in(told.tenant, told.tenant.member("client"))
    assert visitor.get(at).status_code == 404
    with tenant_scope(told.tenant.schema):
        planted.delete()


def test_a_run_says_what_it_may_reach_as_its_policy_has_it(told: World) -> None:
    plan, work = (
        signed_in(told.tenant, told.tenant.member("viewer")).get(f"/runs/{number}/").content.decode()
        for number in (1, 2)
    )
    assert "<dt>Network</dt><dd>none; it is given what it reads</dd>" in plan
    assert "Nothing is committed by a run of this kind" in plan
    assert "A run of this kind changes no files." in plan
    assert "<dt>Network</dt><dd>none</dd>" in work


QUERIES = {
    "/": 31,
    "/stories/": 26,
    "/stories/?view=list": 26,
    "/stories/TILL-1/": 50,
    "/tasks/TILL-1.1/": 40,
    "/runs/": 15,
    "/runs/2/": 24,
    "/approvals/": 32,
    "/approvals/1/": 32,
}
"""How many statements a page may take, shell, session and scopes included."""


@pytest.mark.parametrize(("path", "most"), QUERIES.items())
def test_pages_keep_to_their_query_budget(told: World, path: str, most: int) -> None:
    browser = signed_in(told.tenant, told.tenant.member("product_owner"))
    browser.get(path)
    with CaptureQueriesContext(connection) as asked:
        assert browser.get(path).status_code == 200
    assert len(asked) <= most, "\n".join(query["sql"][:300] for query in asked)
