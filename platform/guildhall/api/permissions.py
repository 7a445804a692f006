"""Who gets through the door at all; what they may do behind it is decided by the actions themselves."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from guildhall.kernel.actor import Actor


def actor_of(request: Any) -> Actor:
    """The acting party of an authenticated request."""
    actor: Actor = request.user.actor
    return actor


class SignedIn(BasePermission):
    """A member of this tenant; an API key also needs `api:read`, and `api:write` for anything that changes."""

    message = "This API key lacks the scope for this request."

    def has_permission(self, request: Request, view: Any) -> bool:
        actor = getattr(request.user, "actor", None)
        if actor is None:
            return False
        needed = "api:read" if request.method in SAFE_METHODS else "api:write"
        return actor.scopes is None or needed in actor.scopes
