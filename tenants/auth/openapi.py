"""What the API's description says of its three ways to sign in."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension


class ActorScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Registered by being defined; imported when the app is ready."""

    target_class = "tenants.auth.api.ActorAuthentication"
    name = ["apiKey", "accessToken", "session"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        return [
            {"type": "http", "scheme": "bearer", "bearerFormat": "gh_…", "description": "An API key of a member."},
            {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From `/api/v1/auth/token/`."},
            {
                "type": "apiKey",
                "in": "cookie",
                "name": settings.SESSION_COOKIE_NAME,
                "description": "The portal's session; changes need the `X-CSRFToken` header.",
            },
        ]
