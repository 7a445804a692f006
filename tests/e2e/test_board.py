"""The board in a browser: cards moved by keyboard and by mouse, refusals said and cards back, search by one key."""

import pytest
from playwright.sync_api import Page, Route, expect

from governance.selectors import approval
from governance.tests.asking import ask
from guildhall.kernel.tenancy import tenant_scope
from tests.e2e.conftest import Visitor
from tests.e2e.looking import look
from tests.e2e.site import aside
from tests.support.processes import until
from tests.support.tenants import TestTenant
from workflows.actions import create_epic, edit_story
from workflows.actions.comments import write_comment
from workflows.actions.following import assign_story
from workflows.actions.labels import create_label, set_labels
from workflows.models import Story
from workflows.tests.world import World

pytestmark = pytest.mark.e2e
LOOKED_AT = {
    "board": "/stories/",
    "list": "/stories/?view=list",
    "story": "/stories/SHOP-1/",
    "proposal": "/stories/SHOP-2/proposal/",
    "inbox": "/inbox/",
    "waiting": "/waiting/",
    "labels": "/labels/",
    "filters": "/filters/?text=card",
}


@pytest.fixture
def world(tenant: TestTenant) -> World:
    """A few stories with what people put beside them."""
    made = World(tenant)
    rows = [
        made.write(title=title) for title in ("Pay by card", "Round the VAT per line, not per basket", "Move the tills")
    ]
    made.move(rows[1], "submit", made.developer)
    made.move(rows[1], "approve_scope", made.po)
    with tenant_scope(tenant.schema):
        story = Story.objects.get(reference="SHOP-1")
        labels = [
            create_label(actor=made.po, name=name, colour=tone) for name, tone in (("Money", "d2"), ("Soon", "wait"))
        ]
        set_labels(actor=made.po, item=story, add=labels)
        assign_story(actor=made.architect, story=story, person=made.po.ref)
        write_comment(actor=made.developer, item=story, text="Which *acquirer*, @product-owner?\n\n- one\n- two")
    return made


def test_cards_move_by_keys_and_by_mouse_and_refusals_are_said(world: World, visitor: Visitor) -> None:
    member = aside(lambda: world.tenant.member("developer"))
    page = visitor.signed_in(world.tenant, member)
    page.goto("/stories/")
    page.locator("#story-SHOP-1 a.ti").focus()
    page.keyboard.press("Space")
    says = page.locator("#board-says")
    expect(says).to_contain_text("Picked up SHOP-1. It may go to Scope review.")
    page.keyboard.press("ArrowRight")
    expect(says).to_contain_text("Over “Scope review”. Enter puts it down here.")
    page.keyboard.press("Escape")
    expect(says).to_contain_text("Cancelled. It stays in “Draft”.")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#lane-po_review #story-SHOP-1")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("SHOP-1 is in “Scope review” now.")
    assert aside(lambda: world.state(_story(world, "SHOP-1"))) == "po_review"

    page.drag_and_drop("#story-SHOP-3", "#state-testing, #state-in_progress")
    expect(page.locator("#toasts")).to_contain_text("From “Draft” no act leads to")
    expect(page.locator("#lane-draft #story-SHOP-3")).to_be_visible()
    page.drag_and_drop("#story-SHOP-3", "#lane-po_review")
    expect(page.locator("#toasts")).to_contain_text("SHOP-3 is in “Scope review” now.")
    expect(page.locator("#lane-po_review #story-SHOP-3")).to_be_visible()
    assert aside(lambda: world.state(_story(world, "SHOP-3"))) == "po_review"

    page.keyboard.press("/")
    expect(page.locator("input[name=text]")).to_be_focused()
    page.keyboard.type("vat")
    page.keyboard.press("Enter")
    page.wait_for_url("**/stories/?text=vat")
    expect(page.locator("#board [data-story]")).to_have_count(1)
    page.locator("h1").click()
    page.keyboard.type("gi")
    page.wait_for_url("**/inbox/")
    visitor.forgive(409, "/stories/SHOP-3/move/")


def test_a_move_that_needs_a_reason_asks_for_it_and_a_mention_is_suggested(world: World, visitor: Visitor) -> None:
    owner = aside(lambda: world.tenant.member("product_owner"))
    page = visitor.signed_in(world.tenant, owner)
    page.goto("/stories/")
    page.drag_and_drop("#story-SHOP-2", "#lane-draft")
    expect(page.locator("#move-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#lane-ready_for_planning #story-SHOP-2")).to_be_visible()
    page.drag_and_drop("#story-SHOP-2", "#lane-draft")
    page.fill("#move-feedback", "The rounding rule is not settled.")
    page.locator("#move-yes").click()
    expect(page.locator("#toasts")).to_contain_text("SHOP-2 is in “Draft” now.")
    expect(page.locator("#lane-draft #story-SHOP-2")).to_be_visible()
    page.goto("/stories/SHOP-1/")
    page.locator("#comment-text").press_sequentially("Ask @dev")
    page.locator("#mention-list").get_by_role("option", name="Developer").click()
    expect(page.locator("#comment-text")).to_have_value("Ask @developer ")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".gh-comments > li")).to_have_count(2)


def test_a_move_is_taken_back_where_the_table_has_the_way_and_the_loser_of_two_is_told(
    world: World, visitor: Visitor
) -> None:
    owner = aside(lambda: world.tenant.member("product_owner"))
    page = visitor.signed_in(world.tenant, owner)
    page.goto("/stories/")
    toasts = page.locator("#toasts")
    undo = toasts.get_by_role("button", name="Undo")

    def submit(reference: str) -> None:
        page.locator(f"#story-{reference} a.ti").focus()
        for key in ("Space", "ArrowRight", "Enter"):
            page.keyboard.press(key)

    submit("SHOP-3")
    expect(undo).to_be_visible()
    expect(page.locator("#lane-po_review #story-SHOP-3")).to_be_visible()
    page.keyboard.press("u")
    expect(toasts).to_contain_text("SHOP-3 is in “Draft” now.")
    expect(page.locator("#lane-draft #story-SHOP-3")).to_be_visible()
    assert aside(lambda: world.state(_story(world, "SHOP-3"))) == "draft"
    assert aside(lambda: _story(world, "SHOP-3")).feedback == "Taken back right after the move."

    submit("SHOP-3")
    expect(page.locator("#lane-po_review #story-SHOP-3")).to_be_visible()
    undo.hover()  # the server has moved it, and what is said stays where the pointer is
    aside(lambda: world.move(_story(world, "SHOP-3"), "approve_scope", world.po))
    undo.click()
    expect(toasts).to_contain_text("It was changed meanwhile")
    assert aside(lambda: world.state(_story(world, "SHOP-3"))) == "ready_for_planning", "nobody's work is undone"

    visitor.forgive(412, "/stories/SHOP-3/move/")


def test_an_answer_about_the_board_that_comes_while_a_card_is_on_its_way_leaves_it_and_the_loser_is_told(
    world: World, visitor: Visitor
) -> None:
    page = visitor.signed_in(world.tenant, aside(lambda: world.tenant.member("product_owner")))
    page.goto("/stories/")
    boards, moves = _held_back(page, "**/stories/"), _held_back(page, "**/stories/SHOP-1/move/")

    def submit(reference: str) -> None:
        page.locator(f"#story-{reference} a.ti").focus()
        for key in ("Space", "ArrowRight", "Enter"):
            page.keyboard.press(key)

    submit("SHOP-3")
    expect(page.locator("#toasts")).to_contain_text("SHOP-3 is in “Scope review” now.")
    aside(lambda: world.move(_story(world, "SHOP-1"), "submit", world.developer))
    submit("SHOP-1")  # as the page still shows it, whose board is late
    until(lambda: page.evaluate("1") and boards and moves, what="the page asking for its board and for the move")
    page.unroute("**/stories/")
    with page.expect_event("requestfinished", lambda request: request.url.endswith("/stories/")):
        boards[0].continue_()
    page.evaluate("new Promise(done => setTimeout(done))")  # whatever the page does with it is done
    expect(page.locator("#lane-po_review #story-SHOP-1.is-sending")).to_have_count(1)
    for late in boards[1:] + moves:
        late.continue_()
    expect(page.locator("#toasts")).to_contain_text("SHOP-1 is in “Scope review” already.")
    expect(page.locator("#board-says")).to_contain_text("already. It is in “Scope review”.")
    expect(page.locator("#lane-po_review #story-SHOP-1")).to_be_visible()
    expect(page.locator("#story-SHOP-1")).to_have_count(1)
    visitor.forgive(409, "/stories/SHOP-1/move/")


def _held_back(page: Page, path: str) -> list[Route]:
    """What the page asks of `path` from now on: it waits until the test lets it go on."""
    waiting: list[Route] = []
    page.route(path, lambda route: waiting.append(route))
    return waiting


def test_stories_of_an_epic_are_put_in_order_by_mouse(world: World, visitor: Visitor) -> None:
    def plan() -> TestTenant:
        with tenant_scope(world.tenant.schema):
            epic = create_epic(actor=world.po, project=world.project, title="Receipts")
            for reference in ("SHOP-1", "SHOP-2", "SHOP-3"):
                story = Story.objects.get(reference=reference)
                edit_story(actor=world.po, story=story, content={}, place={"epic": epic})
        return world.tenant

    tenant = aside(plan)
    page = visitor.signed_in(tenant, aside(lambda: tenant.member("product_owner")))
    page.goto("/epics/1/")
    rows = page.locator("[data-place]")
    expect(rows.first).to_contain_text("SHOP-1")
    page.drag_and_drop("#placed-SHOP-3", "#placed-SHOP-1", target_position={"x": 200, "y": 4})
    expect(page.locator("#toasts")).to_contain_text("SHOP-3 is before SHOP-1 now.")
    expect(rows.first).to_contain_text("SHOP-3")
    page.get_by_role("button", name="Move SHOP-3 down").press("Enter")
    expect(rows.first).to_contain_text("SHOP-1")


def test_keys_do_what_the_list_of_keys_says_and_can_be_switched_off(world: World, visitor: Visitor) -> None:
    def asked() -> list[int]:
        with tenant_scope(world.tenant.schema):
            return [ask(world.tenant, sha=f"{number:02x}" * 20).number for number in (1, 2, 3)]

    changes, rejected, approved = aside(asked)
    page = visitor.signed_in(world.tenant, aside(lambda: world.tenant.member("product_owner")))
    press, board = page.keyboard.press, "/stories/?view=list"
    _rows_are_walked(page, board)
    press("n")
    page.wait_for_url("**/stories/new/")
    page.locator("[name=title]").press_sequentially("jn?")
    expect(page.locator("[name=title]")).to_have_value("jn?")

    page.goto(board)
    press("?")
    page.locator("#keys-on").uncheck()
    press("Escape")
    for key in ("n", "j", "?"):
        press(key)
    press("Control+k")
    expect(page.locator("#palette")).to_be_visible()
    expect(page.locator("#keys")).not_to_be_visible()
    expect(page.locator("[data-row].is-sel")).to_have_count(0)
    page.keyboard.type("vat")
    expect(page.locator("#palette-list [aria-selected=true]")).to_contain_text("Round the VAT")
    press("Enter")
    page.wait_for_url("**/stories/SHOP-2/")

    page.get_by_label("Account:").first.click()
    page.get_by_role("button", name="Keyboard shortcuts").first.click()
    page.locator("#keys-on").check()
    feedback = page.locator("#feedback")
    page.goto(f"/approvals/{changes}/")
    press("c")
    expect(feedback).to_be_focused()
    expect(page.locator("#decision-hint")).to_contain_text("Say what should change.")
    page.keyboard.type("Round each line, not the sum.")
    _decided(page, "Control+Enter", world, changes, "changes_requested")
    page.goto(f"/approvals/{rejected}/")
    press("r")
    expect(page.locator("#decision-hint")).to_contain_text("Say why you reject this.")
    page.keyboard.type("Nobody wants this any more.")
    page.locator("#feedback").blur()
    _decided(page, "r", world, rejected, "rejected")
    page.goto(f"/approvals/{approved}/")
    _decided(page, "a", world, approved, "approved")


def _rows_are_walked(page: Page, path: str) -> None:
    """J and K go from row to row, Enter opens the one they are at."""
    page.goto(path)
    links = page.locator("[data-row] a[href^='/stories/SHOP-']")
    for key, at in (("j", 0), ("j", 1), ("k", 0), ("j", 1)):
        page.keyboard.press(key)
        expect(links.nth(at)).to_be_focused()
    opened = links.nth(1).get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{opened}")
    page.goto(path)


def _decided(page: Page, key: str, world: World, number: int, state: str) -> None:
    """`key` sends the form: its page has come back when this returns, so that the next one is not called away by it."""

    def said() -> str:
        with tenant_scope(world.tenant.schema):
            return approval(world.po, number).state

    with page.expect_navigation():
        page.keyboard.press(key)
    until(lambda: aside(said) == state, what=f"approval {number} being {state}")


def _story(world: World, reference: str) -> Story:
    with tenant_scope(world.tenant.schema):
        return Story.objects.get(reference=reference)


def test_pages_of_comfort_are_accessible_and_fit(world: World, visitor: Visitor) -> None:
    page = visitor.signed_in(world.tenant, aside(lambda: world.tenant.member("product_owner")))
    found = [problem for name, path in LOOKED_AT.items() for problem in look(page, f"comfort-{name}", path)]
    assert found == []
