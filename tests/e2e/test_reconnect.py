"""The server of the sockets dies under an open page: the page says so, comes back, and shows what happened meanwhile."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visitor
from tests.e2e.site import aside
from tests.support.pump import relay
from tests.support.tenants import TestTenant
from workflows.actions import create_project, create_story
from workflows.models import Project

pytestmark = pytest.mark.e2e


def write(tenant: TestTenant, title: str) -> None:
    """A new story, announced to whoever listens."""
    with tenant.scope():
        author = tenant.actor("developer")
        project = Project.objects.filter(key="TILL").first() or create_project(
            actor=tenant.actor("admin"), key="TILL", name="Till", repository="till", ci_command="true"
        )
        create_story(actor=author, project=project, content={"title": title})
    relay()


def test_a_page_comes_back_and_catches_up_when_its_server_was_killed(tenant: TestTenant, visitor: Visitor) -> None:
    owner = aside(lambda: tenant.member("product_owner"))
    aside(lambda: write(tenant, "Before the cut"))
    page = visitor.signed_in(tenant, owner)
    state, stories = page.locator("#live-state"), page.locator("#stories")
    expect(state).to_contain_text("Live")
    page.evaluate("window.stillHere = true")
    visitor.site.live.kill()
    expect(state).to_contain_text("Reconnecting")
    aside(lambda: write(tenant, "While nobody listened"))
    visitor.site.live.start()
    expect(stories).to_contain_text("While nobody listened", timeout=60_000)
    expect(state).to_contain_text("Live")
    aside(lambda: write(tenant, "After it came back"))
    expect(stories).to_contain_text("After it came back", timeout=60_000)
    assert page.evaluate("window.stillHere") is True
    visitor.complaints[:] = [text for text in visitor.complaints if "WebSocket" not in text]
