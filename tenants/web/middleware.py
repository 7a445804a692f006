"""What every request goes through before a view: its operation, its host's scope, who is asking."""

import random
import re
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from guildhall.kernel.errors import GuildhallError, NotFound, TenantGone
from guildhall.kernel.operation import operation_scope
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.auth.api import bearer_of
from tenants.auth.hosts import BadHost, is_public, parse_host, tenant_at
from tenants.auth.members import NOBODY_HERE, Member, Standing, owner_actor, standing
from tenants.auth.sessions import client_agent
from tenants.models import User
from tenants.web.lean import is_by_header
from tenants.web.refusals import refuse
from tenants.web.requests import PlacedRequest

GetResponse = Callable[[PlacedRequest], HttpResponse]
TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")
FRONT_PEERS = frozenset({"", "127.0.0.1", "::1"})
"""Peers that may say whom they speak for: our own front, over loopback or a unix socket."""


class OperationMiddleware:
    """One operation per request: `X-Request-Id` (a UUID) and W3C `traceparent` come in and go out again."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlacedRequest) -> HttpResponse:
        agent = client_agent.set(request.META.get("HTTP_USER_AGENT", ""))
        try:
            with operation_scope(_operation_id(request), _trace_id(request), address_of(request)) as operation:
                response = self.get_response(request)
        finally:
            client_agent.reset(agent)
        response["X-Request-Id"] = operation.id
        # A span's id is no secret; the system's randomness would cost a call of the kernel.
        response["traceparent"] = f"00-{operation.trace_id}-{random.getrandbits(64):016x}-01"
        return response


def _operation_id(request: PlacedRequest) -> str | None:
    given = request.META.get("HTTP_X_REQUEST_ID")
    try:
        return str(uuid.UUID(given)) if given else None
    except ValueError:
        return None


def _trace_id(request: PlacedRequest) -> str | None:
    given = request.META.get("HTTP_TRACEPARENT")
    match = TRACEPARENT.match(given) if given else None
    return match.group(1) if match else None


def address_of(request: PlacedRequest) -> str:
    """The client's address: the peer's, or what our own front says in `X-Real-IP`."""
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if peer in FRONT_PEERS:
        return str(request.META.get("HTTP_X_REAL_IP", "")).strip() or peer
    return peer


class HostMiddleware:
    """Enters the scope that the Host header leads to, for everything inside, session load and save included.

    Sets `request.tenant` (`TenantFacts`, None on the platform's host). Forwarded headers are not looked at.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlacedRequest) -> HttpResponse:
        try:
            host = parse_host(request.META.get("HTTP_HOST"))
        except BadHost as error:
            return HttpResponse(error.detail, status=error.status, content_type="text/plain")
        if is_public(host):
            request.tenant = None
            request.urlconf = settings.PUBLIC_SCHEMA_URLCONF
            with platform_scope():
                return self.get_response(request)
        tenant = tenant_at(host)
        if tenant is None:
            request.tenant = request.actor = None
            return refuse(request, NotFound(NOBODY_HERE))
        request.tenant = tenant
        with tenant_scope(tenant.schema):
            return self.get_response(request)


class IdentityMiddleware:
    """Sets `request.actor` (None for nobody) and refuses everything, sign-in included, while a tenant is not active."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlacedRequest) -> HttpResponse:
        request.actor = None
        try:
            refusal = self._identify(request)
        except TenantGone:  # dropped, while this process knew its host still
            refusal = NotFound(NOBODY_HERE)
        return self.get_response(request) if refusal is None else refuse(request, refusal)

    def _identify(self, request: PlacedRequest) -> GuildhallError | None:
        """Find out who asks; why nobody may here."""
        user = None if is_by_header(request) else request.user
        if request.tenant is None:
            if isinstance(user, User):
                request.actor = owner_actor(user)
            return None
        if isinstance(user, Member):
            request.actor = user.actor
        return self._standing(request, user).refusal()

    def _standing(self, request: PlacedRequest, user: Any) -> Standing:
        """The tenant's, which whoever asks has brought along already."""
        member = bearer_of(request) if user is None else user
        return member.standing if isinstance(member, Member) else standing()
