"""Who is behind a websocket: the same host, session and live membership that a page has, and an Origin of our own."""

from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY
from django.utils.crypto import constant_time_compare

from guildhall.kernel.actor import PLATFORM, Actor
from guildhall.kernel.errors import Denied, NotFound, Unauthenticated
from guildhall.kernel.operation import operation_scope
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.auth.backend import MemberBackend
from tenants.auth.hosts import BadHost, is_public, parse_host, tenant_at
from tenants.auth.members import NOBODY_HERE, Member, member_by_public_id, owner_actor
from tenants.auth.sessions import SessionStore
from tenants.models import User

BACKEND = "tenants.auth.backend.MemberBackend"


async def connect_actor(scope: dict[str, Any]) -> tuple[str, Actor]:
    """The tenant's schema (`guildhall_platform` on the public host) and who is connecting.

    Raises `BadHost`, `NotFound` for a host that leads nowhere, `Denied` for a foreign Origin or a suspended tenant, and
    `Unauthenticated` without a session that is valid on this host now.
    """
    host = one_header(scope, b"host")
    name = parse_host(host)
    check_origin(host, one_header(scope, b"origin"))
    session_key = _session_key(scope)
    address = (scope.get("client") or ("", 0))[0]
    found: tuple[str, Actor] = await database_sync_to_async(_actor)(name, session_key, address)
    return found


async def still_there(tenant: str, actor: Actor) -> Actor:
    """The same member with today's roles, to be asked before a push that needs permission.

    Raises `Unauthenticated` when they left and `Denied` or `Unavailable` when the tenant is closed.
    """
    current: Actor = await database_sync_to_async(_again)(tenant, actor)
    return current


def one_header(scope: dict[str, Any], name: bytes) -> str:
    """A header that must be there exactly once. Raises `BadHost` or `Denied`."""
    values = [value for key, value in scope.get("headers", []) if key.lower() == name]
    if len(values) != 1:
        if name == b"origin":
            raise Denied("A websocket needs one Origin header.")
        raise BadHost(f"The {name.decode()} header has to be there exactly once.")
    return str(values[0].decode("latin-1"))


def check_origin(host: str, origin: str) -> None:
    """Browsers send cookies to websockets from any page; only pages of this very host may use them. Raises `Denied`."""
    try:
        parts = urlsplit(origin)
    except ValueError as garbled:
        raise Denied("This page may not open a websocket here.") from garbled
    if parts.scheme not in ("http", "https") or not constant_time_compare(parts.netloc.lower(), host.lower()):
        raise Denied("This page may not open a websocket here.")


def _session_key(scope: dict[str, Any]) -> str:
    jar: SimpleCookie = SimpleCookie()
    for key, value in scope.get("headers", []):
        if key.lower() == b"cookie":
            try:
                jar.load(value.decode("latin-1"))
            except CookieError:
                continue
    morsel = jar.get(settings.SESSION_COOKIE_NAME)
    if morsel is None:
        raise Unauthenticated("Sign in first.")
    return str(morsel.value)


def _actor(host: str, session_key: str, address: str) -> tuple[str, Actor]:
    with operation_scope(address=address):
        if is_public(host):
            with platform_scope():
                return PLATFORM, _who(session_key)
        tenant = tenant_at(host)
        if tenant is None:
            raise NotFound(NOBODY_HERE)
        with tenant_scope(tenant.schema):
            return tenant.schema, _who(session_key)


def _who(session_key: str) -> Actor:
    session = SessionStore(session_key)
    user_id = session.get(SESSION_KEY)
    if user_id is None or session.get(BACKEND_SESSION_KEY) != BACKEND:
        raise Unauthenticated("Sign in first.")
    user = MemberBackend().get_user(int(user_id))
    if isinstance(user, User):
        return owner_actor(user, via="socket")
    return _admitted(user).through("socket")


def _again(tenant: str, actor: Actor) -> Actor:
    with tenant_scope(tenant):
        return _admitted(member_by_public_id(actor.id)).through(actor.via)


def _admitted(member: Member | None) -> Actor:
    if member is None:
        raise Unauthenticated("Sign in first.")
    refusal = member.standing.refusal()
    if refusal is not None:
        raise refusal
    return member.actor
