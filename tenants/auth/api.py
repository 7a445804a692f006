"""How the REST API knows who is asking: an API key, an access token, or the portal's own session."""

from typing import Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from guildhall.api.problems import challenge
from tenants.auth.keys import KEY_MARK, member_of_key
from tenants.auth.members import Member, OwnerPrincipal, owner_actor
from tenants.auth.tokens import member_of_token
from tenants.models import User

Principal = Member | OwnerPrincipal


class ActorAuthentication(BaseAuthentication):
    """An `Authorization` header decides alone; only without one does the session count, and then with its CSRF token."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        header = request.headers.get("Authorization", "")
        if header:
            return self._by_header(request, header), None
        user = getattr(request._request, "user", None)
        if isinstance(user, Member):
            _check_csrf(request)
            return user, None
        if isinstance(user, User):
            _check_csrf(request)
            return OwnerPrincipal(pk=user.pk, actor=owner_actor(user)), None
        return None

    def authenticate_header(self, request: Request) -> str:
        return challenge(request)

    def _by_header(self, request: Request, header: str) -> Member:
        if _credential(header) is None:
            raise AuthenticationFailed("Send `Authorization: Bearer` with an API key or an access token.")
        member = bearer_of(request._request)
        if member is None:
            raise AuthenticationFailed(
                "This credential is not valid here: unknown, expired, revoked or another host's."
            )
        return member


def member_of_bearer(credential: str) -> Member | None:
    """The member that a bearer credential speaks for in the current tenant, or None. Raises nothing."""
    return member_of_key(credential) if credential.startswith(KEY_MARK) else member_of_token(credential)


def bearer_of(request: Any) -> Member | None:
    """The member whose credential is in the `Authorization` header of a request to a tenant's host, or None.

    Looked up once per request: the middleware asks first, to refuse everything while the tenant is closed.
    """
    if not hasattr(request, "bearer"):
        credential = None if request.tenant is None else _credential(request.META.get("HTTP_AUTHORIZATION", ""))
        request.bearer = None if credential is None else member_of_bearer(credential)
    member: Member | None = request.bearer
    return member


def _credential(header: str) -> str | None:
    scheme, _, credential = header.partition(" ")
    return credential.strip() or None if scheme.lower() == "bearer" else None


def _check_csrf(request: Request) -> None:
    """DRF's views are exempt from the middleware's check, so a session has to pass it here."""

    def unused(_: HttpRequest) -> Any:
        raise RuntimeError("the check alone is run, never a view")

    check = CSRFCheck(unused)
    check.process_request(request._request)
    reason = check.process_view(request._request, unused, (), {})
    if reason:
        raise PermissionDenied(f"CSRF check failed: {reason}")
