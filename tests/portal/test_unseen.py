"""Pages show the codes of characters that nobody sees, whoever wrote them; forms and programs get what is stored."""

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from django.http import HttpRequest, HttpResponse

from guildhall.portal.unseen import UnseenMiddleware
from tests.api.people import People
from tests.isolation.rooms import WORD, ask, furnish
from tests.support.clients import signed_in
from tests.support.page_permissions import PAGE_ROWS
from tests.support.tenants import TestTenant

TURN, MARK = "\u202e", "U+202E>"
DECIDED_BY = {
    "approvals", "changes", "councils", "decisions", "inbox", "incidents", "proposals", "runs", "stories", "tasks",
}  # fmt: skip
"""Rooms whose pages people decide by."""


class Read(HTMLParser):
    """What a page says to people: its text, labels and tips, without what they type."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said, self._typed = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._typed = tag == "textarea"
        self.said += " ".join(value or "" for name, value in attrs if name in ("title", "aria-label", "data-tip"))

    def handle_endtag(self, tag: str) -> None:
        self._typed = False

    def handle_data(self, data: str) -> None:
        self.said += "" if self._typed else data


@pytest.mark.integration
def test_no_page_that_people_decide_by_lets_a_character_through_that_nobody_sees(
    make_tenant: Callable[..., TestTenant],
) -> None:
    tenant, marker = make_tenant(), f"{TURN}txet"
    furnish(tenant, marker, ["SHOP"])
    told, rows = set(), [row for row in PAGE_ROWS if row.route.partition("/")[0] in DECIDED_BY]
    for answer in ask(signed_in(tenant, tenant.member("product_owner")), rows, tenant):
        path, _, html = answer.partition(" ")
        if "</" not in html:
            continue  # a file to keep
        said = Read(html).said
        assert TURN not in said, path
        if MARK in said:
            told.add(path)
    rooms = {path.partition("/")[0] for path in told}
    assert rooms >= DECIDED_BY, DECIDED_BY - rooms
    assert "stories/SHOP-1/proposal/" in told, "what a planner proposed stands in fields alone"
    given = People(tenant).admin.client.get("/api/v1/runs/1/")
    assert (TURN in given.content.decode(), given.json()["title"]) == (False, f"{WORD} {marker}")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("html", "shown"),
    [
        (
            f'<b title="a{TURN}" data-tip="{TURN}">x{TURN}</b>',
            '<b title="a&lt;U+202E&gt;" data-tip="&lt;U+202E&gt;">x&lt;U+202E&gt;</b>',
        ),
        (f'<textarea name="a">x{TURN}\n</textarea><input value="{TURN}"><a href="/?q={TURN}">\u0105</a>', ""),
        ("<p>Voil\u00e0\u202f: 10\xa0\u20ac, \u26a0\ufe0f, \u05e9\u05dc\u05d5\u05dd</p>\r\n", ""),
    ],
    ids=["said", "typed", "legitimate"],
)
def test_what_a_page_says_has_codes_and_what_it_sends_back_stays(html: str, shown: str) -> None:
    answer = UnseenMiddleware(lambda _: HttpResponse(html))(HttpRequest())
    assert answer.content.decode() == (shown or html)
