"""Pages: who gets them, what they show, and that another tenant's or a client's eyes find nothing."""

import pytest

from tests.support.clients import Browser, signed_in
from tests.support.tenants import TestTenant
from tests.support.world import World

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
ROLES = ("admin", "product_owner", "architect", "developer", "qa", "devops", "data", "viewer")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("role", ["product_owner", "viewer"])
def test_a_member_gets_every_page(told: World, role: str, path: str) -> None:
    browser = signed_in(told.tenant, told.tenant.member(role))
    assert browser.get(path).status_code == 200


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
    assert STORY_TITLE.encode() not in answer.content


STORY_TITLE = "Round VAT on each line of a basket"
