"""What is no form and no JSON, at every address that takes one: refused as what it is, nothing written, and never a 500.

Fields that are there and wrong have tests of their own: `tests/api/test_bad_input.py`, `tests/portal/test_forms.py` and, for
whatever the API's document allows, `tests/api/test_generated.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command

from tests.api.people import People
from tests.isolation.rooms import addresses, furnish
from tests.isolation.writes import fingerprint
from tests.support.api_permissions import API_ROWS
from tests.support.clients import signed_in
from tests.support.page_permissions import PAGE_ROWS
from tests.support.permissions import TENANT_ROWS, Row
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
BIG = 3_000_000
NO_BODY = ("/sign-out/", "/audit/verification/", "/triage/", "/withdraw/")
"""How addresses end at which nothing is read but the address."""

FORMS: dict[str, tuple[str, bytes]] = {
    "no text": (FORM, b"\xff\xfe=%zz&%00=%00&act=\xc3\x28&version=%00"),
    "parts without a boundary": ("multipart/form-data", b"--x--"),
    "a thousand fields too many": (FORM, b"&".join(b"a%d=1" % number for number in range(2000))),
    "too large": (FORM, b"text=" + b"x" * BIG),
}
BODIES: dict[str, tuple[str, bytes]] = {
    "half": (JSON, b'{"name": '),
    "no text": (JSON, b"\xff\xfe{}"),
    "a list": (JSON, b"[1]"),
    "a number": (JSON, b"7"),
    "no JSON": ("text/plain", b"name=submit"),
    "too large": (JSON, b'{"text": "' + b"x" * BIG + b'"}'),
}


@pytest.fixture(scope="module")
def tenant(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    made = make_tenant()
    furnish(made, "ours", ["SHOP"])
    assert made.member("admin")
    return made


def writing(rows: list[Row], tenant: TestTenant, *, api: bool) -> Iterator[tuple[str, str]]:
    """Method and path of every route that takes a body, at the tenant's things."""
    for method in ("POST", "PUT", "PATCH"):
        found = [row for row in rows if row.method == method and row.route.startswith("api/") == api]
        paths = addresses([replace(row, method="GET") for row in found], tenant)
        there = [f"/{path}" for path in dict.fromkeys(paths) if "{" not in path]
        yield from ((method, path) for path in there if not path.endswith(NO_BODY))


@pytest.mark.parametrize("kind", FORMS)
def test_what_is_no_form_is_refused_at_every_page(tenant: TestTenant, kind: str) -> None:
    browser, before = signed_in(tenant, tenant.member("admin")), fingerprint(tenant)
    content_type, body = FORMS[kind]
    wrong = []
    for method, path in writing([*PAGE_ROWS, *TENANT_ROWS], tenant, api=False):
        token = browser.csrf_token
        answer = browser.generic(method, path, body, content_type=content_type, HTTP_X_CSRFTOKEN=token)
        wrong += [f"{path}: {answer.status_code}"] if not 400 <= answer.status_code < 500 else []
    assert wrong == []
    assert fingerprint(tenant) == before


@pytest.mark.parametrize("kind", BODIES)
def test_what_is_no_json_is_refused_at_every_address_of_the_api(tenant: TestTenant, kind: str) -> None:
    client, before = People(tenant).admin.client, fingerprint(tenant)
    content_type, body = BODIES[kind]
    wrong = []
    for method, path in writing([*API_ROWS, *TENANT_ROWS], tenant, api=True):
        answer = client.generic(method, path, body, content_type=content_type, HTTP_IF_MATCH="*")
        told = answer.json() if answer.content else {}
        if not 400 <= answer.status_code < 500 or not told.get("detail"):
            wrong.append(f"{method} {path}: {answer.status_code} {answer.content[:100]!r}")
    assert wrong == []
    assert fingerprint(tenant) == before


@pytest.mark.parametrize(
    "command",
    [
        ("create_tenant", "No Such Name!", "--name", "x"),
        ("create_tenant", "api", "--name", "x", "--host", "a b"),
        ("seed_demo", "../../etc"),
        ("demo_job", "--tenant", "../../etc/passwd"),
        ("verify_audit", "--tenant", "org_nobody'; --"),
        ("rebuild_states", "--tenant", "guildhall_platform"),
        ("run_suite", "/nowhere/at/all"),
    ],
    ids=lambda command: command[0],
)
def test_commands_say_what_is_wrong_with_what_they_are_given(database: None, command: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        call_command(*command)
    assert str(refused.value)
