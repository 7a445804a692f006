"""Who gets a websocket: the same people that get a page, from a page of the same host."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connections

from guildhall.kernel.actor import PLATFORM, Actor, system_actor
from guildhall.kernel.errors import Denied, GuildhallError, NotFound, Unauthenticated
from guildhall.kernel.tenancy import current_scope_name, platform_scope
from tenants.actions.members import change_roles, remove_member
from tenants.actions.tenants import suspend_tenant
from tenants.auth.hosts import BadHost
from tenants.models import Tenant
from tenants.web.ws import connect_actor, still_there
from tests.support.clients import signed_in
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


def scope_of(
    host: str, cookie: str, *, origin: str | None = None, more: list[tuple[bytes, bytes]] | None = None
) -> Any:
    headers = [(b"host", host.encode()), (b"cookie", f"other=1; gh_session={cookie}".encode())]
    headers.append((b"origin", (origin if origin is not None else f"http://{host}").encode()))
    return {"type": "websocket", "headers": [*headers, *(more or [])], "client": ("203.0.113.5", 4711)}


@pytest.fixture
def connect() -> Callable[[Any], tuple[str, Actor]]:
    def call(scope: Any) -> tuple[str, Actor]:
        return async_to_sync(connect_actor)(scope)

    return call


Connect = Callable[[Any], tuple[str, Actor]]


def cookie_of(tenant: TestTenant, role: str) -> str:
    return str(signed_in(tenant, tenant.member(role)).cookies["gh_session"].value)


def test_a_member_connects_as_themselves_and_leaves_no_scope_behind(tenant: TestTenant, connect: Connect) -> None:
    schema, actor = connect(scope_of(f"{tenant.host}:8000", cookie_of(tenant, "qa")))
    assert (schema, actor.id, actor.roles, actor.via) == (
        tenant.schema,
        tenant.actor("qa").id,
        frozenset({"qa"}),
        "socket",
    )
    assert current_scope_name() is None
    wrappers: list[Any] = list(connections.all())
    assert all(wrapper.scope.role is None for wrapper in wrappers)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://other.{host}", "https://{host}.evil.example", "http://["]
)
def test_a_page_of_another_origin_gets_no_socket(
    residents: tuple[TestTenant, TestTenant], connect: Connect, origin: str
) -> None:
    tenant = residents[0]
    cookie = cookie_of(tenant, "qa")
    with pytest.raises(Denied):
        connect(scope_of(tenant.host, cookie, origin=origin.format(host=tenant.host)))


def test_a_sibling_tenants_page_and_cookie_get_no_socket(
    residents: tuple[TestTenant, TestTenant], connect: Connect
) -> None:
    here, there = residents
    cookie = cookie_of(here, "qa")
    with pytest.raises(Denied):
        connect(scope_of(here.host, cookie, origin=f"http://{there.host}"))
    with pytest.raises(Unauthenticated):
        connect(scope_of(there.host, cookie))
    with pytest.raises(Unauthenticated):
        connect(scope_of("localhost", cookie))


def test_doubled_headers_and_unknown_hosts_lead_nowhere(
    residents: tuple[TestTenant, TestTenant], connect: Connect
) -> None:
    here, there = residents
    cookie = cookie_of(here, "qa")
    with pytest.raises(BadHost):
        connect(scope_of(here.host, cookie, more=[(b"host", there.host.encode())]))
    with pytest.raises(Denied):
        connect(scope_of(here.host, cookie, more=[(b"origin", f"http://{here.host}".encode())]))
    with pytest.raises(NotFound):
        connect(scope_of("nobody.localhost", cookie))
    with pytest.raises(Unauthenticated):
        connect(scope_of(here.host, "guessed"))


def test_roles_and_membership_are_asked_again_while_connected(tenant: TestTenant, connect: Connect) -> None:
    admin = tenant.actor("admin")
    cookie = cookie_of(tenant, "qa")
    schema, actor = connect(scope_of(tenant.host, cookie))
    with tenant.scope():
        change_roles(actor=admin, person=actor.id, roles=["viewer"])
    assert async_to_sync(still_there)(schema, actor).roles == {"viewer"}
    with tenant.scope():
        remove_member(actor=admin, person=actor.id)
    with pytest.raises(Unauthenticated):
        async_to_sync(still_there)(schema, actor)
    with pytest.raises(Unauthenticated):
        connect(scope_of(tenant.host, cookie))


def test_a_suspended_tenant_gets_no_socket_and_loses_those_it_has(tenant: TestTenant, connect: Connect) -> None:
    cookie = cookie_of(tenant, "admin")
    schema, actor = connect(scope_of(tenant.host, cookie))
    with platform_scope():
        row = Tenant.objects.get(slug=tenant.slug)
        suspend_tenant(actor=system_actor("tests", PLATFORM), tenant=row, reason="Unpaid since May.")
    again: list[Callable[[], Any]] = [
        lambda: connect(scope_of(tenant.host, cookie)),
        lambda: async_to_sync(still_there)(schema, actor),
    ]
    for attempt in again:
        with pytest.raises(GuildhallError, match=r"Unpaid since May\."):
            attempt()
