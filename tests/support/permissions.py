"""The permission table: what each method of each route answers to whom.

A row's path fills in what its route leaves open; `{person}` is the tenant's only admin, `{key}` a revoked key of theirs.
Requests carry an empty body, so nothing changes: 422 means that one may come in, 404 that the thing does not exist for
this role. Members ask the API with a key of theirs (`api:read`, `api:write`) and pages with a session.
"""

from dataclasses import dataclass, field

NOBODY = "nobody"
OWNER = "owner"


@dataclass(frozen=True)
class Row:
    """The status for nobody, for members (owners on the platform's host), and for the roles that differ from those."""

    method: str
    route: str
    nobody: int
    member: int
    path: str = ""
    differs: dict[str, int] = field(default_factory=dict)

    def expected(self, who: str) -> int:
        """The status that `who` (a role, NOBODY or OWNER) must get."""
        return self.nobody if who == NOBODY else self.differs.get(who, self.member)


_PERSON = "api/v1/members/<slug:person>/", "api/v1/members/{person}/"
_INVITATION = "invitations/<str:token>/", "invitations/none/"

TENANT_ROWS = [
    Row("POST", "api/v1/auth/token/", 422, 422),
    Row("POST", "api/v1/auth/refresh/", 422, 422),
    Row("POST", "api/v1/auth/revoke/", 422, 422),
    Row("GET", "api/v1/me/", 401, 200),
    Row("GET", "api/v1/members/", 401, 200),
    Row("GET", _PERSON[0], 401, 200, _PERSON[1], {"client": 404}),
    Row("PUT", _PERSON[0], 401, 422, _PERSON[1], {"client": 404}),
    Row("DELETE", _PERSON[0], 401, 403, _PERSON[1], {"client": 404, "admin": 409}),
    Row("GET", "api/v1/invitations/", 401, 200),
    Row("POST", "api/v1/invitations/", 401, 422),
    Row("POST", "api/v1/invitations/accept/", 422, 422),
    Row("DELETE", "api/v1/invitations/<int:pk>/", 401, 404, "api/v1/invitations/0/"),
    Row("GET", "api/v1/api-keys/", 401, 200),
    Row("POST", "api/v1/api-keys/", 401, 422),
    Row("DELETE", "api/v1/api-keys/<int:pk>/", 401, 404, "api/v1/api-keys/{key}/", {"admin": 409}),
    Row("GET", "api/v1/sessions/", 401, 200),
    Row("DELETE", "api/v1/sessions/", 401, 204),
    Row("DELETE", "api/v1/sessions/<slug:session_id>/", 401, 404, "api/v1/sessions/none/"),
    Row("GET", "sign-in/", 200, 302),
    Row("POST", "sign-in/", 422, 422),
    Row("GET", "sign-in/verify/", 302, 302),
    Row("POST", "sign-in/verify/", 302, 302),
    Row("POST", "sign-out/", 302, 302),
    Row("GET", "account/security/", 302, 200),
    Row("POST", "account/security/", 302, 400),
    Row("GET", _INVITATION[0], 404, 404, _INVITATION[1]),
    Row("POST", _INVITATION[0], 404, 404, _INVITATION[1]),
]

PUBLIC_ROWS = [
    Row("GET", "sign-in/", 200, 302),
    Row("POST", "sign-in/", 422, 422),
    Row("GET", "sign-in/verify/", 302, 302),
    Row("POST", "sign-out/", 302, 302),
    Row("GET", "account/security/", 302, 200),
    Row("POST", "account/security/", 302, 400),
    Row("GET", "admin/login/", 302, 302),
]
