"""Pages of everyday comfort: what they show to whom, what their forms do, and what they refuse with the reason."""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from guildhall.kernel.tenancy import tenant_scope
from tenants.models import Membership
from tests.support.clients import Browser, signed_in
from tests.support.tenants import TestTenant
from workflows.models import Attachment, Comment, Notice, Project, Story, Task
from workflows.planning import TaskDraft
from workflows.tests.world import World

pytestmark = pytest.mark.integration
FORMULA = '=HYPERLINK("http://evil.example")'


@pytest.fixture(scope="module")
def world(make_tenant: Callable[..., TestTenant]) -> World:
    """Stories that are written and not moved: one for the client acme, one of the house, one that begins like a formula."""
    made = World(make_tenant())
    made.write(title="Pay by card", client_visible=True)
    made.write(title="Move the tills")
    made.write(title=FORMULA)
    made.tenant.member("client", name="Ruth Ferris")
    with tenant_scope(made.tenant.schema):
        Project.objects.update(client="acme")
        Membership.objects.filter(roles=["client"]).update(client="acme")
        story = Story.objects.get(reference="SHOP-2")
        Task.objects.create(
            story=story, number=1, reference="SHOP-2.1", rank=1, title="Lift", role="developer", size="S", risk="low"
        )
    return made


@pytest.fixture(scope="module")
def browsers(world: World) -> dict[str, Browser]:
    people = {role: world.tenant.member(role) for role in ("product_owner", "developer", "viewer", "admin")}
    people["client"] = world.tenant.member("client", name="Ruth Ferris")
    return {role: signed_in(world.tenant, member) for role, member in people.items()}


def moved(browser: Browser, reference: str, **sent: str) -> tuple[int, dict[str, Any]]:
    answer = browser.submit(f"/stories/{reference}/move/", sent, form_at="/stories/")
    return answer.status_code, json.loads(answer.content)


def test_a_card_is_moved_or_the_reason_is_said(make_tenant: Callable[..., TestTenant]) -> None:
    world = World(make_tenant())
    world.write()
    author = signed_in(world.tenant, world.tenant.member("developer"))
    owner = signed_in(world.tenant, world.tenant.member("product_owner"))
    status, told = moved(author, "SHOP-1", to="testing")
    assert (status, told["moved"]) == (409, False)
    assert told["detail"] == "From “Draft” no act leads to “Testing”. Possible: Scope review."
    assert moved(author, "SHOP-1", to="nowhere")[0] == 422
    assert moved(author, "SHOP-1", to="po_review", version="7")[0] == 412
    status, told = moved(author, "SHOP-1", to="po_review", version="1")
    assert (status, told["moved"], told["version"]) == (200, True, 2)
    status, told = moved(author, "SHOP-1", to="ready_for_planning")
    assert (status, told["detail"]) == (403, "“Approve the scope” is for a product owner.")
    asked = moved(owner, "SHOP-1", to="draft")[1]
    assert asked["asks"] == ["feedback"]
    assert moved(owner, "SHOP-1", to="draft", undo="yes")[1]["asks"] == ["feedback"], "there is no move of theirs"
    assert moved(owner, "SHOP-1", to="draft", feedback="no")[0] == 422
    assert moved(owner, "SHOP-1", to="draft", feedback="Say who it is for.")[1]["moved"] is True
    key = moved(owner, "SHOP-1", to="po_review")[1]["undo_key"]
    second = signed_in(world.tenant, world.tenant.member("product_owner", name="Second"))
    assert moved(second, "SHOP-1", to="draft", undo=key)[1]["asks"] == ["feedback"], "it was another's move"
    assert moved(owner, "SHOP-1", to="draft", undo=key)[1]["moved"] is True
    assert moved(owner, "SHOP-1", to="po_review")[1]["moved"] is True
    assert moved(owner, "SHOP-1", to="draft", undo=key)[1]["asks"] == ["feedback"], "each move is taken back by its own"
    assert signed_in(world.tenant, world.tenant.member("client")).get("/stories/SHOP-1/move/").status_code == 404


def test_comments_are_shown_as_markdown_that_does_nothing(world: World, browsers: dict[str, Browser]) -> None:
    author = browsers["developer"]
    text = "**Bold** @product-owner <script>alert(1)</script> [x](javascript:alert(1))"
    answer = author.submit("/stories/SHOP-2/comments/", {"text": text}, form_at="/stories/SHOP-2/")
    shown = author.get("/stories/SHOP-2/").content.decode()
    assert "<strong>Bold</strong> @Product Owner" in shown
    assert "<script>alert" not in shown
    assert 'href="javascript' not in shown
    pk = answer["Location"].rpartition("-")[2]
    assert f"/stories/SHOP-2/#comment-{pk}" == answer["Location"]
    inbox = browsers["product_owner"].get("/inbox/").content.decode()
    assert "Developer mentioned you on SHOP-2 Move the tills" in inbox
    with tenant_scope(world.tenant.schema):
        line = Notice.objects.get(comment_id=pk)
    read = browsers["product_owner"].submit("/inbox/", {"read": str(line.pk)})
    assert read["Location"] == answer["Location"]
    assert browsers["developer"].submit("/inbox/", {"read": str(line.pk)}).status_code == 404
    assert browsers["product_owner"].get(f"/comments/{pk}/edit/").status_code == 200
    refused = browsers["product_owner"].submit(f"/comments/{pk}/edit/", {"text": "Mine", "version": "1"})
    assert refused.status_code == 403
    empty = author.submit(f"/comments/{pk}/edit/", {"text": " ", "version": "1"})
    assert (
        empty.status_code,
        "Say something" in empty.content.decode() or "says nothing" in empty.content.decode(),
    ) == (422, True)
    assert author.submit(f"/comments/{pk}/delete/", form_at="/stories/SHOP-2/").status_code == 302
    with tenant_scope(world.tenant.schema):
        assert not Comment.objects.filter(pk=pk).exists()


def test_files_come_back_as_downloads_that_no_browser_renders(world: World, browsers: dict[str, Browser]) -> None:
    author = browsers["developer"]
    sent = SimpleUploadedFile("../<b>evil</b>.html", b"<script>alert(1)</script>", content_type="text/html")
    author.get("/stories/SHOP-1/")
    form = {"file": sent, "csrfmiddlewaretoken": author.csrf_token}
    assert author.post("/stories/SHOP-1/files/", form).status_code == 302
    with tenant_scope(world.tenant.schema):
        pk = Attachment.objects.latest("pk").pk
    answer = author.get(f"/files/{pk}/")
    assert answer.getvalue() == b"<script>alert(1)</script>"
    assert answer["Content-Type"] == "text/plain"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert browsers["client"].get(f"/files/{pk}/").status_code == 404
    assert browsers["viewer"].submit(f"/files/{pk}/delete/", form_at="/stories/SHOP-1/").status_code == 403
    assert author.submit(f"/files/{pk}/delete/", form_at="/stories/SHOP-1/").status_code == 302
    assert author.get(f"/files/{pk}/").status_code == 404


def test_what_lies_beside_is_not_another_tenants(world: World, residents: tuple[TestTenant, TestTenant]) -> None:
    with tenant_scope(world.tenant.schema):
        story = Story.objects.get(reference="SHOP-1")
        comment = Comment.objects.create(story=story, text="Ours", author=world.po.ref, author_name="PO")
    stranger = signed_in(residents[0], residents[0].member("admin"))
    for path in (f"/comments/{comment.pk}/edit/", "/stories/SHOP-1/comments/", "/stories/SHOP-1/activity/"):
        assert stranger.get(path).status_code == 404
    assert stranger.submit(f"/comments/{comment.pk}/delete/", form_at="/inbox/").status_code == 404
    assert "Pay by card" not in stranger.get("/stories/?text=card").content.decode()


def test_the_list_goes_away_as_a_file_without_formulas(world: World, browsers: dict[str, Browser]) -> None:
    answer = browsers["product_owner"].get("/stories/export/?as=csv")
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert {row["title"] for row in rows} == {"Pay by card", "Move the tills", f"'{FORMULA}"}
    found = json.loads(browsers["product_owner"].get("/stories/export/?as=json&text=tills").getvalue())
    assert [row["reference"] for row in found] == ["SHOP-2"]
    theirs = json.loads(browsers["client"].get("/stories/export/?as=json").getvalue())
    assert [row["reference"] for row in theirs] == ["SHOP-1"]
    assert "budget_usd" not in theirs[0]
    assert browsers["client"].get("/stories/export/?as=exe").status_code == 422


def test_filters_stay_in_the_address_and_nonsense_is_left_out(world: World, browsers: dict[str, Browser]) -> None:
    owner = browsers["product_owner"]
    for query in (
        "text=tills",
        "text=tills&view=list",
        "state=draft&view=list&sort=-title&text=move",
        "lane=draft&depth=2",
    ):
        shown = owner.get(f"/stories/?{query}").content.decode()
        assert "Move the tills" in shown, query
    for query in ("epic=x&sprint=-1&label=9" * 3, "page=999&view=list", "page=²&view=list", "lane=draft&depth=²",
                  "sort=drop", "assignee=%27", "show=evil", "text=%27%29%3B--"):  # fmt: skip
        assert owner.get(f"/stories/?{query}").status_code == 200, query
    kept = owner.submit("/filters/", {"name": "Tills", "query": "text=tills&evil=1", "shared": "on"})
    assert kept["Location"] == "/stories/?text=tills"
    assert ">Tills<" in browsers["developer"].get("/stories/").content.decode()
    assert ">Tills<" not in browsers["client"].get("/stories/").content.decode()


def test_many_are_done_at_once_with_an_outcome_for_each(world: World, browsers: dict[str, Browser]) -> None:
    author = browsers["developer"]
    sent: dict[str, Any] = {"story": ["SHOP-2", "SHOP-77"], "do": "priority:high", "back": "state=draft"}
    shown = author.submit("/stories/bulk/", sent, form_at="/stories/?view=list").content.decode()
    assert "1 of 2 done." in shown
    assert "Its priority is high now." in shown
    assert "There is no story SHOP-77." in shown
    assert author.submit("/stories/bulk/", {"do": "move:submit"}, form_at="/stories/").status_code == 422
    assert browsers["viewer"].submit("/stories/bulk/", sent, form_at="/stories/").content.decode().count("Refused") == 2


def test_everybody_finds_what_waits_for_them_and_takes_it_up_there(make_tenant: Callable[..., TestTenant]) -> None:
    world = World(make_tenant())
    with world.judging():
        _, (first, second) = world.committed(TaskDraft("Write the entry", "developer"), TaskDraft("Draw it", "devops"))
        world.act(first, "claim_task", world.mason)
        world.hand_in(first, "c1")
        world.move(world.write(title="Say who pays"), "submit", world.developer)
        waiting: dict[str, tuple[str, str, str | Task]] = {
            "product_owner": ("Stories to move on", "Say who pays", "/stories/SHOP-2/"),
            "architect": ("Tasks for Architect", "Write the entry", first),
            "qa": ("Tasks for QA", "Write the entry", first),
            "devops": ("Tasks for DevOps", "Draw it", second),
        }
        for role, (heading, title, task) in waiting.items():
            browser = signed_in(world.tenant, world.tenant.member(role))
            page = browser.get("/waiting/").content.decode()
            assert (heading in page, title in page) == (True, True), role
            if isinstance(task, str):
                assert f'href="{task}"' in page
                continue
            assert "Say who pays" not in page, "that is the product owner's"
            taken = re.search(r'name="version" value="(\d+)".*?name="act" value="(\w+)"', page, re.DOTALL)
            assert taken is not None
            at = f"/tasks/{task.reference}/"
            sent = {"version": taken[1], "act": taken[2]}
            assert browser.submit(at, sent, form_at="/waiting/").status_code == 302
            page = browser.get("/waiting/").content.decode()
            assert ("Yours now" in page, heading in page) == (True, False), "it waits for nobody else now"
            with tenant_scope(world.tenant.schema):
                task = world.fresh(task)
            assert task.holder == world.tenant.actor(role).ref
            if role == "architect":
                world.act(task, "approve_design", world.architect)


QUERIES = {"/stories/": 25, "/stories/?view=list&text=pay": 26, "/inbox/": 16, "/waiting/": 18, "/stories/SHOP-1/": 52,
           "/tasks/SHOP-2.1/": 44, "/labels/": 14, "/palette/?q=pay": 14}  # fmt: skip


def test_pages_keep_to_their_query_budget_with_many_stories(world: World, browsers: dict[str, Browser]) -> None:
    owner = browsers["product_owner"]
    with tenant_scope(world.tenant.schema):
        project = Project.objects.get()
        Story.objects.bulk_create(
            Story(
                project=project,
                number=n,
                reference=f"SHOP-{n}",
                title=f"Pay {n}",
                author=world.po.ref,
                author_name="PO",
            )
            for n in range(100, 300)
        )
    found = {}
    for path, most in QUERIES.items():
        owner.get(path)
        with CaptureQueriesContext(connection) as asked:
            shown = owner.get(path)
        assert shown.status_code == 200
        assert len(shown.content) < 220_000, path
        if len(asked) > most:
            found[path] = (len(asked), [query["sql"][:90] for query in asked])
    assert found == {}
