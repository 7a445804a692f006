"""Every route, every method, everybody: who gets which status. A route or a method of the API without a row fails.

The rows are in `tests/support/permissions.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from governance.actions.approvals import request_approval
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.models import Agent
from gpu_workers.models.run import RunKind
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.tenancy import identity_scope, platform_scope, tenant_scope
from tenants.actions.keys import create_api_key, revoke_api_key
from tenants.actions.tenants import suspend_tenant
from tenants.models import Tenant, User
from tenants.roles import ROLES, SCOPES
from tests.support.api_permissions import API_ROWS
from tests.support.clients import Browser, signed_in
from tests.support.page_permissions import PAGE_ROWS
from tests.support.permissions import NOBODY, OWNER, PUBLIC_ROWS, Row
from tests.support.permissions import TENANT_ROWS as IDENTITY_ROWS
from tests.support.tenants import PASSWORD, Member, TestTenant
from workflows.actions import create_project, create_story, propose_decision
from workflows.actions.councils import convene_council
from workflows.councils import Chair
from workflows.models import Task

pytestmark = pytest.mark.integration

EVERYBODY = [NOBODY, *sorted(ROLES)]
TENANT_ROWS = [*IDENTITY_ROWS, *API_ROWS, *PAGE_ROWS]
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass
class World:
    """One tenant with a member, an API key and a signed-in browser for each role, and the things that rows name."""

    tenant: TestTenant
    things: dict[str, str]
    browsers: dict[str, Browser] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    """Whose last request changed something, so that it may have signed them out."""

    def ask(self, row: Row, who: str) -> int:
        """The status that `who` gets for `row`, over the door that its kind of route has."""
        path = "/" + (row.path or row.route).format(**self.things)
        if path.startswith("/api/"):
            client = Client(HTTP_HOST=self.tenant.host, **self._key(who))
            return client.generic(row.method, path, "{}", content_type="application/json").status_code
        status = ask_page(self._browser(who), row, path)
        if row.method != "GET" and status < 400:  # what is refused has changed nothing
            self.unsure.add(who)
        return status

    def _browser(self, who: str) -> Browser:
        if who == NOBODY:
            return Browser(self.tenant.host)
        known = self.browsers.get(who)
        if known is None or (who in self.unsure and known.get("/api/v1/me/").status_code != 200):
            known = self.browsers[who] = signed_in(self.tenant, self._member(who))
        self.unsure.discard(who)
        return known

    def _key(self, who: str) -> dict[str, Any]:
        if who == NOBODY:
            return {}
        if who not in self.keys:
            member = self._member(who)
            with tenant_scope(self.tenant.schema):
                _, self.keys[who] = create_api_key(
                    actor=member.actor, name="table", scopes=["api:read", "api:write"], days=1
                )
        return {"HTTP_AUTHORIZATION": f"Bearer {self.keys[who]}"}

    def _member(self, role: str) -> Member:
        return self.tenant.member(role)


def ask_page(browser: Browser, row: Row, path: str) -> int:
    if row.method == "GET":
        return browser.get(path).status_code
    if "gh_csrf" not in browser.cookies:
        browser.get("/sign-in/?next=/account/security/", follow=True)
    data = {"csrfmiddlewaretoken": browser.csrf_token} if "gh_csrf" in browser.cookies else {}
    return browser.generic(
        row.method,
        path,
        "&".join(f"{key}={value}" for key, value in data.items()),
        content_type="application/x-www-form-urlencoded",
    ).status_code


@pytest.fixture(scope="module")
def world(make_tenant: Callable[..., TestTenant]) -> World:
    tenant = make_tenant()
    admin = tenant.member("admin")
    with tenant_scope(tenant.schema):
        key, _ = create_api_key(actor=admin.actor, name="revoked", scopes=["api:read"], days=1)
        revoke_api_key(actor=admin.actor, api_key=key)
        make_work(tenant)
    return World(tenant, {"person": admin.actor.id, "key": str(key.pk)})


def make_work(tenant: TestTenant) -> None:
    """What the rows of the API name; the tenant's scope is entered."""
    owner, agents = tenant.actor("product_owner"), Agent.objects.filter(name="mason")
    project = create_project(actor=owner, key="SHOP", name="Shop", repository="shop", ci_command="true")
    story = create_story(actor=owner, project=project, content={"title": "Pay by card"})
    Task.objects.create(
        story=story, number=1, reference="SHOP-1.1", rank=1, title="Do it", role="developer", size="S", risk="low"
    )
    propose_decision(actor=owner, kind="scope", title="Cards only", rationale="Nobody pays cash.")
    seats = [Chair(f"agent:{name}", name, "qa") for name in ("alder", "mason", "wren")]
    convene_council(actor=owner, story=story, subject="design", question="Which card?", seats=seats)
    work = NewRun(RunKind.WORK, "task:SHOP-1.1", "story:SHOP-1", "Do it", "task:SHOP-1.1:1")
    queue_run(actor=tenant.system(), agent=agents.get(), new=work)
    asked = {"kind": "scope", "subject": "story:SHOP-1", "title": "May it?", "risk": "low", "binding": {"it": "this"}}
    request_approval(actor=tenant.system(), **asked)  # type: ignore[arg-type]


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each route with the methods that need a row; none for a page, whose methods its own decorators decide."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
            continue
        view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
        methods = {name.upper() for name in METHODS if hasattr(view, name)} if route.startswith("api/") else set()
        yield route, methods


@pytest.mark.parametrize(
    ("conf", "rows"), [("guildhall.urls_tenant", TENANT_ROWS), ("guildhall.urls_public", PUBLIC_ROWS)]
)
def test_every_route_has_a_row(conf: str, rows: list[Row]) -> None:
    known = {(row.route, row.method) for row in rows}
    served = dict(routes(get_resolver(conf).url_patterns))
    missing = [
        f"{method} {route}" for route, methods in served.items() for method in methods if (route, method) not in known
    ]
    missing += [route for route in served if route not in {row.route for row in rows}]
    assert not missing, "no row in tests/support/permissions.py for these"
    assert {row.route for row in rows} <= set(served), "rows of routes that are gone"


@pytest.mark.parametrize("who", EVERYBODY)
def test_everybody_gets_what_the_table_says(world: World, who: str) -> None:
    answers = {f"{row.method} {row.route}": world.ask(row, who) for row in TENANT_ROWS}
    assert answers == {f"{row.method} {row.route}": row.expected(who) for row in TENANT_ROWS}


def test_a_key_opens_no_route_that_its_scopes_do_not_name(world: World) -> None:
    """Whatever else it may: an admin's key without `api:read` reads nothing, and one without `api:write` changes nothing."""
    admin, lacking = world.tenant.member("admin"), {"GET": "api:read", "other": "api:write"}
    with tenant_scope(world.tenant.schema):
        keys = {
            method: create_api_key(actor=admin.actor, name=method, scopes=SCOPES - {scope}, days=1)[1]
            for method, scope in lacking.items()
        }
    doors = [row for row in TENANT_ROWS if row.route.startswith("api/") and row.nobody == 401]
    answers = {}
    for row in doors:
        key = keys.get(row.method, keys["other"])
        client = Client(HTTP_HOST=world.tenant.host, HTTP_AUTHORIZATION=f"Bearer {key}")
        path = "/" + (row.path or row.route).format(**world.things)
        answers[f"{row.method} {row.route}"] = client.generic(
            row.method, path, "{}", content_type="application/json"
        ).status_code
    assert answers == dict.fromkeys(answers, 403)
    assert len(answers) > 100


@pytest.mark.parametrize("who", [NOBODY, OWNER])
def test_the_platforms_host_lets_owners_in(world: World, who: str) -> None:
    with identity_scope():
        if not User.objects.filter(email="table@owners.example").exists():
            User.objects.create_user("table@owners.example", "Table", PASSWORD, is_owner=True)
    owner = Member(world.tenant.system(), "table@owners.example")
    answers, browser, known = {}, Browser("localhost"), False
    for row in PUBLIC_ROWS:
        if who == NOBODY:
            browser = Browser("localhost")
        elif not known:
            browser = Browser("localhost")
            browser.sign_in(owner)
        answers[f"{row.method} {row.route}"] = ask_page(browser, row, "/" + (row.path or row.route))
        known = row.method == "GET" or browser.get("/admin/").status_code == 200
    assert answers == {f"{row.method} {row.route}": row.expected(who) for row in PUBLIC_ROWS}


def test_a_suspended_tenant_answers_403_on_every_route(make_tenant: Callable[..., TestTenant]) -> None:
    tenant = make_tenant()
    admin = tenant.member("admin")
    browser = signed_in(tenant, admin)
    with platform_scope():
        row = Tenant.objects.get(slug=tenant.slug)
        suspend_tenant(actor=system_actor("tests", PLATFORM), tenant=row, reason="For the permission table.")
    things = {"person": admin.actor.id, "key": "1"}
    answers = {}
    for entry in TENANT_ROWS:
        path = "/" + (entry.path or entry.route).format(**things)
        for who, client in ((NOBODY, Client(HTTP_HOST=tenant.host)), ("admin", browser)):
            answers[who, entry.method, entry.route] = client.generic(entry.method, path).status_code
    assert answers == dict.fromkeys(answers, 403)
