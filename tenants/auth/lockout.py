"""django-axes' lock-out after repeated failures, on tables that only sign-in may touch."""

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from django.http import HttpRequest, HttpResponse

from guildhall.kernel.operation import current_operation
from guildhall.kernel.tenancy import identity_scope
from tenants.auth.sessions import stored_address
from tenants.models import User


class IdentityHandler(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts failures as the identity role, whichever host's scope the request is in."""

    def is_allowed(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        with identity_scope():
            return bool(super().is_allowed(request, credentials))

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        with identity_scope():
            super().user_login_failed(sender, credentials, request, **kwargs)

    def user_logged_in(self, sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
        with identity_scope():
            super().user_logged_in(sender, request, user, **kwargs)

    def user_logged_out(self, sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
        """Nothing to count."""


def username(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """AXES_USERNAME_CALLABLE: one name however it is typed, or every spelling would have tries of its own."""
    given = (credentials or {}).get("username") or request.POST.get("username") or ""
    return str(given).strip().lower()[:255]


def client_address(request: HttpRequest) -> str | None:
    """AXES_CLIENT_IP_CALLABLE: the operation's, which looks behind our own front and nobody else's."""
    return stored_address(current_operation().address)


def forget_failures(request: HttpRequest, user: User) -> None:
    """Count from zero again, after a sign-in or a new password that opens no session."""
    AxesProxyHandler.update_request(request)
    IdentityHandler().user_logged_in(User, request, user)


def keep_response(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """AXES_LOCKOUT_CALLABLE: the doors have answered 429 in their own form already."""
    return response
