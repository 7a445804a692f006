"""Pages: who gets them, what they show, and that another tenant's or a client's eyes find nothing."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

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
