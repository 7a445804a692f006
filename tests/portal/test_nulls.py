"""A null character in an address, a query or a form is refused with a reason at every door, and never breaks one."""

from collections.abc import Callable, Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.support.clients import Browser, program, signed_in, tokens_of
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
NAMES = ("q", "text", "search", "kind", "affects", "actor", "subject", "outcome", "since", "project", "cursor", "page",
         "as", "by", "before", "next", "show", "state", "environment")  # fmt: skip


def open_routes(patterns: list[URLPattern | URLResolver], above: str = "/") -> Iterator[str]:
    """Addresses of the tenant's urlconf that take no argument."""
    for entry in patterns:
        address = above + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from open_routes(entry.url_patterns, address)
        elif not set("<(^\\") & set(address):
            yield address


def test_null_characters_are_refused_everywhere(make_tenant: Callable[..., TestTenant]) -> None:
    tenant = make_tenant()
    admin = tenant.member("admin")
    browser, caller = signed_in(tenant, admin), program(tenant, tokens_of(tenant, admin)["access"])
    routes = sorted(set(open_routes(get_resolver().url_patterns)))
    assert {"/palette/", "/decisions/", "/stories/", "/sign-in/", "/api/v1/stories/", "/api/v1/audit/"} <= set(routes)
    for route in routes:
        client = caller if route.startswith("/api/") else browser
        assert client.get(f"{route}?one=1&q=a%00b").status_code == 422, route
    for route in ("/palette/", "/decisions/", "/stories/", "/costs/", "/api/v1/stories/", "/api/v1/audit/"):
        client = caller if route.startswith("/api/") else browser
        for name in NAMES:
            assert client.get(f"{route}?{name}=%00").status_code == 422, (route, name)
    problem = caller.get("/api/v1/decisions/?affects=%00").json()
    assert (problem["type"], problem["fields"]) == (
        "urn:guildhall:problem:invalid",
        {"affects": ["Text must not hold null characters."]},
    )
    assert "Text must not hold null characters" in browser.get("/decisions/?q=%00").content.decode()
    assert browser.get("/decisions/?q=%2500").status_code == 200, "an escaped percent sign is an ordinary text"
    for address in ("/stories/SHOP%00-1/", "/api/v1/agents/a%00b/", "/%00/"):
        assert (caller if address.startswith("/api/") else browser).get(address).status_code == 404, address
    typed = browser.submit("/stories/new/", {"project": "SHOP", "title": "Pay\0by card"})
    assert (typed.status_code, "null characters" in typed.content.decode()) == (422, True)
    assert Browser(tenant.host).submit("/sign-in/", {"email": "a\0@b.example", "password": "x"}).status_code == 422
