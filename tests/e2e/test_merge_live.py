"""A product owner signs in, approves in the browser, and sees the story merged without loading anything again."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visitor
from tests.e2e.site import aside
from tests.fakes.openai_server import OpenAIServer
from tests.story.scripts import bugfix
from tests.story.test_bugfix_story import STORY
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.e2e


@pytest.fixture
def world(tenant: TestTenant) -> World:
    return World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")


@pytest.fixture
def model(world: World) -> Iterator[OpenAIServer]:
    with scripted_model(bugfix()) as server:
        yield server


def test_a_decision_in_the_browser_is_merged_before_the_readers_eyes(
    world: World, model: OpenAIServer, visitor: Visitor
) -> None:
    tenant = world.tenant
    owner = aside(lambda: tenant.member("product_owner"))
    page = visitor.signed_in(tenant, owner)
    expect(page.locator("#live-state")).to_contain_text("Live")
    story = aside(lambda: world.story(**STORY))
    expect(page.locator("#stories")).to_contain_text(story.title)
    aside(world.settle)
    assert aside(lambda: world.task(story)).state == "pending_po_approval"
    expect(page.locator("#waiting")).to_contain_text("Merge TILL-1.1")
    page.get_by_role("link", name="Merge TILL-1.1").first.click()
    expect(page.locator("#approval-detail")).to_contain_text("CI passed")
    expect(page.locator(".gh-diff")).to_contain_text("price * quantity + vat(price * quantity)")
    page.get_by_role("button", name="Approve and merge").click()
    expect(page.locator("#approval-detail")).to_contain_text("it is being carried out")
    page.evaluate("window.stillHere = true")
    aside(world.settle)
    expect(page.locator("#decision-record")).to_contain_text("merged as")
    assert page.evaluate("window.stillHere") is True
    assert aside(lambda: world.task(story)).state == "done"
