"""Every page that no other list of pages names, with something of every kind on it: none is left that nobody looked at."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from django.urls import resolve

from tests.e2e.conftest import Visitor
from tests.e2e.looking import as_it_is
from tests.e2e.site import aside
from tests.e2e.test_board import LOOKED_AT
from tests.e2e.test_looks import ADMIN, CLIENT, TEAM
from tests.e2e.test_looks_elsewhere import ADMIN as LETTERS
from tests.e2e.test_looks_elsewhere import ARCHITECT, VIEWER
from tests.e2e.test_looks_governed import ADMIN as GOVERNED
from tests.isolation.rooms import addresses, furnish
from tests.support.page_permissions import PAGE_ROWS
from tests.support.permissions import Row
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.e2e
KNOWN = (TEAM, CLIENT, ADMIN, LETTERS, ARCHITECT, VIEWER, GOVERNED, LOOKED_AT)
NO_PAGES = {
    "palette/",
    "mentions/",
    "stories/export/",
    "costs/ledger/export/",
    "audit/export/",
    "runs/<int:number>/log/",
    "files/<int:pk>/",
    "incidents/<int:pk>/evidence/<int:file>/",
}
"""Routes that answer with a part of a page or with a file."""


@pytest.fixture(scope="module")
def furnished(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    def make() -> TestTenant:
        tenant = make_tenant()
        furnish(tenant, "by everybody: the delivery times of what is sent abroad", ["SHOP"])
        return tenant

    return aside(make)


def others() -> list[Row]:
    """The pages that are looked at nowhere else."""
    seen = {resolve(path.partition("?")[0]).route for pages in KNOWN for path in pages.values() if path != "/nowhere/"}
    return [row for row in PAGE_ROWS if row.method == "GET" and row.route not in seen | NO_PAGES]


def test_every_other_page_is_as_good_as_the_rest(furnished: TestTenant, visitor: Visitor) -> None:
    person = aside(lambda: furnished.actor("qa")).id
    paths = aside(lambda: [f"/{path}".format(person=person) for path in addresses(others(), furnished)])
    page = visitor.signed_in(furnished, aside(lambda: furnished.member("product_owner")))
    found = []
    for path in dict.fromkeys(paths):
        page.goto(path)
        if urlsplit(page.url).path == path:  # else it has led back to the page that its form is on
            found += as_it_is(page, f"other-{re.sub(r'[^a-z0-9]+', '-', path.lower()).strip('-')}")
    for status in (403, 404, 409, 422):
        visitor.forgive(status, *paths)
    assert not found, "\n".join(found)
