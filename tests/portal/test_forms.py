"""Forms: the same actions as the API, the reason beside its cause, what was typed kept, and nothing half done."""

from collections.abc import Callable

import pytest

from governance.selectors import is_held
from guildhall.kernel.tenancy import tenant_scope
from tests.story.scripts import RIGHT, mending, planning
from tests.story.test_bugfix_story import STORY
from tests.support.busy import queue_many
from tests.support.clients import Browser, signed_in
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.models import Story

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tenant: TestTenant) -> World:
    return World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")


@pytest.fixture(scope="module")
def lasting(make_tenant: Callable[..., TestTenant]) -> World:
    """One for all tests that each write a story of their own, or none."""
    return World.build(make_tenant(), "TILL", files_of(DEMO / "till"), "python3 ci.py")


@pytest.fixture(scope="module")
def waiting(make_tenant: Callable[..., TestTenant]) -> World:
    """A task that waits for its approval, until the last test that asks for it."""
    world = World.build(make_tenant(), "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with scripted_model(mending()):
        world.story(**STORY)
        world.settle()
    return world


def as_(world: World, role: str) -> Browser:
    return signed_in(world.tenant, world.tenant.member(role))


def state_of(world: World, reference: str) -> str:
    with tenant_scope(world.tenant.schema):
        return str(Story.objects.get(reference=reference).state)


def test_a_story_is_written_and_moved_by_forms(world: World) -> None:
    author, owner = as_(world, "developer"), as_(world, "product_owner")
    written = {
        "project": "TILL",
        "title": STORY["title"],
        "brief": STORY["brief"],
        "acceptance": "\r\n".join(STORY["acceptance"]),
        "size": "S",
        "priority": "normal",
        "risk_labels": "none",
        "depends_on": "none",
        "budget_usd": "2.00",
    }
    answer = author.submit("/stories/new/", written)
    assert (answer.status_code, answer["Location"]) == (302, "/stories/TILL-1/")
    assert "100" in author.get("/stories/TILL-1/").content.decode()
    assert author.submit("/stories/TILL-1/", {"act": "submit"}).status_code == 302
    assert state_of(world, "TILL-1") == "po_review"
    assert owner.submit("/stories/TILL-1/", {"act": "approve_scope"}).status_code == 302
    assert state_of(world, "TILL-1") == "ready_for_planning"


def test_a_wrong_form_comes_back_with_its_input_and_the_reason(world: World) -> None:
    author = as_(world, "developer")
    answer = author.submit(
        "/stories/new/", {"project": "TILL", "title": "  ", "brief": "Kept as typed", "budget_usd": "x"}
    )
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Kept as typed" in text
    assert "Give US dollars, such as 2.50." in text
    with tenant_scope(world.tenant.schema):
        assert not Story.objects.exists()


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"act": "reject_scope", "feedback": "no"}, 422, "Say why in at least 10 characters"),
        ({"act": "fly"}, 422, "has no action"),
        ({"act": "close"}, 409, "Scope review"),
        ({"act": "approve_scope", "version": "1"}, 412, "changed meanwhile"),
        ({"act": "approve_scope", "version": "first"}, 422, "not a number"),
    ],
)
def test_a_story_refuses_with_the_reason_on_its_page(
    lasting: World, sent: dict[str, str], status: int, said: str
) -> None:
    author, owner = as_(lasting, "developer"), as_(lasting, "product_owner")
    place = author.submit("/stories/new/", {"project": "TILL", "title": "Round VAT"})["Location"]
    author.submit(place, {"act": "submit"})
    answer = owner.submit(place, sent)
    text = answer.content.decode()
    assert answer.status_code == status
    assert said in text
    assert state_of(lasting, place.split("/")[2]) == "po_review"
    assert sent.get("feedback", "") in text


def test_whoever_may_not_act_is_told_and_shown_no_button(lasting: World) -> None:
    author, viewer = as_(lasting, "developer"), as_(lasting, "viewer")
    place = author.submit("/stories/new/", {"project": "TILL", "title": "Round VAT"})["Location"]
    shown = viewer.get(place).content.decode()
    assert 'name="act"' not in shown
    assert "“Submit for scope review” is for" in shown
    answer = viewer.submit(place, {"act": "submit"})
    assert answer.status_code == 403
    assert state_of(lasting, place.split("/")[2]) == "draft"


def the_merge(world: World) -> tuple[str, str]:
    """Its approval's page and its hash."""
    approval = world.approval(world.task(_story(world)))
    assert approval is not None
    return f"/approvals/{approval.number}/", approval.binding_hash


def test_an_approval_refuses_what_the_reader_did_not_see(waiting: World) -> None:
    owner, (page, _) = as_(waiting, "product_owner"), the_merge(waiting)
    stale = owner.submit(page, {"decision": "approve", "binding_hash": "0" * 64})
    assert stale.status_code == 409
    assert "not what would happen now" in stale.content.decode()
    thin = owner.submit(page, {"decision": "reject", "feedback": "no", "binding_hash": "0" * 64})
    assert thin.status_code == 422
    assert "at least 10 characters" in thin.content.decode()
    assert 'id="decision-form"' not in as_(waiting, "developer").get(page).content.decode()


def test_a_decided_approval_shows_who_and_when_and_no_form(waiting: World) -> None:
    owner, (page, bound) = as_(waiting, "product_owner"), the_merge(waiting)
    sent = {"decision": "approve", "binding_hash": bound}
    assert owner.submit(page, sent).status_code == 302
    shown = owner.get(page).content.decode()
    assert "Product Owner</b>" in shown
    assert 'id="decision-form"' not in shown
    assert owner.submit(page, sent).status_code == 409


def _story(world: World) -> Story:
    with tenant_scope(world.tenant.schema):
        return Story.objects.get()


def test_everything_can_be_paused_with_a_reason_and_resumed(world: World) -> None:
    owner = as_(world, "product_owner")
    assert owner.submit("/pause/", {"act": "pause", "reason": " "}).status_code == 422
    assert owner.submit("/pause/", {"act": "pause", "reason": "The shop is being moved"}).status_code == 302
    assert "The shop is being moved" in owner.get("/pause/").content.decode()
    assert "Agents are paused" in owner.get("/").content.decode()
    assert owner.submit("/pause/", {"act": "resume"}).status_code == 302
    with tenant_scope(world.tenant.schema):
        assert is_held() is None
    one = "/pause/?on=agent:mason"
    assert one in owner.get("/agents/mason/").content.decode()
    assert one not in as_(world, "viewer").get("/agents/mason/").content.decode()
    assert owner.submit(one, {"act": "pause", "reason": "It loops"}).status_code == 302
    assert "Agent mason is paused" in owner.get(one).content.decode()
    with tenant_scope(world.tenant.schema):
        assert is_held() is None, "all others work on"
        assert is_held(agent="agent:mason")
    assert owner.submit(one, {"act": "resume"}).status_code == 302
    person = world.tenant.actor("product_owner")
    past = as_(world, "viewer").get("/pause/").content.decode().partition("Lifted")[2]
    assert "Agent mason" in past[: past.index("Everything")], "the last to be lifted first"
    assert ("It loops" in past, "The shop is being moved" in past, person.name in past) == (True, True, True)
    (mason, everything) = owner.get("/api/v1/holds/?state=lifted").json()["results"]
    assert (mason["target"], mason["reason"], mason["lifted_by"]) == ("agent:mason", "It loops", person.ref)
    assert (everything["kind"], everything["lifted_at"] > everything["held_at"]) == ("tenant", True)
    assert owner.get("/api/v1/holds/").json()["results"] == []
    assert [owner.get(f"/pause/?on={none}").status_code for none in ("agent:nobody", "run:999", "planet:1")] == [
        404
    ] * 3


def test_a_run_is_tried_again_and_a_merged_change_taken_back_by_forms(world: World) -> None:
    with scripted_model(planning()):
        story = world.story(**STORY)
        world.settle()
    run = next(run for run in world.runs() if run.kind == "work")
    developer, architect = as_(world, "developer"), as_(world, "architect")
    page, again = f"/runs/{run.number}/", f"/runs/{run.number}/retry/"
    assert again in developer.get(page).content.decode()
    assert again not in as_(world, "viewer").get(page).content.decode()
    assert developer.submit(again, {"reason": "Why"}, form_at=page).status_code == 422
    with scripted_model(mending()):
        sent = developer.submit(again, {"reason": "The model server was down."}, form_at=page)
        assert sent["Location"] == "/tasks/TILL-1.1/"
        assert "is tried again" in developer.get(sent["Location"]).content.decode()
        world.settle()
    approval = world.approval(world.task(story))
    assert approval is not None
    world.approve(approval)
    world.settle()
    back, why = "/changes/1/revert/", {"reason": "It broke another shop."}
    assert back not in developer.get("/tasks/TILL-1.1/").content.decode()
    assert back in architect.get("/tasks/TILL-1.1/").content.decode()
    assert developer.submit(back, why, form_at=page).status_code == 403
    assert architect.submit(back, why, form_at=page)["Location"] == "/tasks/TILL-1.1/"
    world.settle()
    assert "taken back" in architect.get("/tasks/TILL-1.1/").content.decode().lower()
    assert world.text("till/basket.py") != RIGHT
    assert architect.submit(back, why, form_at=page).status_code == 409


def test_a_run_under_way_is_stopped_by_its_form_with_a_reason(lasting: World) -> None:
    [number] = queue_many(lasting, 1)
    page, why = f"/runs/{number}/", "It mends the wrong basket."
    developer, viewer = as_(lasting, "developer"), as_(lasting, "viewer")
    assert viewer.submit(page, {"reason": why}).status_code == 403
    short = developer.submit(page, {"reason": "Why"})
    assert (short.status_code, ">Why</textarea>" in short.content.decode()) == (422, True)
    assert developer.submit(page, {"reason": why}).status_code == 302
    shown = developer.get(page).content.decode()
    assert f"Run {number} is stopped. What it had done so far is kept." in shown
    assert why in shown
    assert "Stop run" not in shown
    assert viewer.get(f"/api/v1/runs/{number}/").json()["state"] == "cancelled"
    assert developer.submit(page, {"reason": why}).status_code == 409


def test_a_form_without_its_token_is_refused_with_the_way_on(lasting: World) -> None:
    owner = as_(lasting, "product_owner")
    answer = owner.post("/pause/", {"act": "pause", "reason": "From another page"})
    assert answer.status_code == 403
    assert "Load the page again" in answer.content.decode()


XSS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1); //",
    "{{ 7|add:7 }}{% load static %}",
    "</textarea><svg onload=alert(1)>",
    "javascript:alert(1)",
    '<a href="javascript:alert(1)">x</a>',
)


@pytest.mark.parametrize("text", XSS)
def test_text_of_people_and_models_is_only_text(lasting: World, text: str) -> None:
    author, owner = as_(lasting, "developer"), as_(lasting, "product_owner")
    sent = {
        "project": "TILL",
        "title": text,
        "brief": text,
        "acceptance": text,
        "evidence": text,
        "risk_labels": text[:50],
    }
    place = author.submit("/stories/new/", sent)["Location"]
    author.submit(place, {"act": "submit"})
    owner.submit(place, {"act": "reject_scope", "feedback": f"{text} is what it says"})
    pages = [place, "/", "/stories/", "/stories/?view=list", f"/palette/?q={text[:20]}", f"{place}edit/"]
    for page in pages:
        shown = owner.get(page).content.decode()
        if "<" in text:
            assert text not in shown, page
        assert 'href="javascript:' not in shown
        assert "<script>alert" not in shown
        assert "14{% load" not in shown
