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
    Row("POST", "api/v1/auth/password/forgotten/", 422, 422),
    Row("POST", "api/v1/auth/password/reset/", 422, 422),
    Row("GET", "api/v1/me/", 401, 200),
    Row("GET", "api/v1/members/", 401, 200),
    Row("GET", _PERSON[0], 401, 200, _PERSON[1], {"client": 404}),
    Row("PUT", _PERSON[0], 401, 422, _PERSON[1], {"client": 404}),
    Row("DELETE", _PERSON[0], 401, 403, _PERSON[1], {"client": 404, "admin": 409}),
    Row("GET", "api/v1/invitations/", 401, 200),
    Row("POST", "api/v1/invitations/", 401, 422),
    Row("POST", "api/v1/invitations/accept/", 422, 422),
    Row("DELETE", "api/v1/invitations/<int:pk>/", 401, 404, "api/v1/invitations/0/"),
    Row("POST", "api/v1/invitations/<int:pk>/resend/", 401, 404, "api/v1/invitations/0/resend/"),
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
    Row("GET", "password/forgotten/", 200, 200),
    Row("POST", "password/forgotten/", 422, 422),
    Row("GET", "password/reset/<str:token>/", 404, 404, "password/reset/none/"),
    Row("POST", "password/reset/<str:token>/", 404, 404, "password/reset/none/"),
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
    Row("GET", "password/forgotten/", 200, 200),
    Row("POST", "password/forgotten/", 422, 422),
    Row("GET", "password/reset/<str:token>/", 404, 404, "password/reset/none/"),
    Row("POST", "password/reset/<str:token>/", 404, 404, "password/reset/none/"),
    Row("GET", "admin/login/", 302, 302),
]


def _console(
    model: str, *, acts: tuple[str, ...] = (), add: int = 200, change: int = 403, delete: int = 302
) -> list[Row]:
    """Pages of one model of the owner console; id 0 exists in none, which says so on the first page or with 404."""
    base = f"admin/{model}/"
    one = f"{base}<path:object_id>/"
    return [
        Row("GET", base, 302, 200),
        Row("GET", f"{base}add/", 302, add),
        Row("GET", one, 302, 302, f"{base}0/"),
        Row("GET", f"{one}change/", 302, 302, f"{base}0/change/"),
        Row("POST", f"{one}change/", 302, change, f"{base}0/change/"),
        Row("GET", f"{one}delete/", 302, delete, f"{base}0/delete/"),
        Row("GET", f"{one}history/", 302, 404, f"{base}0/history/"),
        *(Row(method, f"{one}{act}/", 302, 404, f"{base}0/{act}/") for act in acts for method in ("GET", "POST")),
    ]


PUBLIC_ROWS += [
    Row("GET", "", 302, 302),
    Row("GET", "health", 200, 200),
    Row("GET", "readiness", 200, 200),
    Row("GET", "metrics", 404, 404),
    Row("GET", "admin/", 302, 200),
    Row("GET", "admin/audit/", 302, 200),
    Row("GET", "admin/streams/", 302, 200),
    Row("GET", "admin/tenants/tenant/figures/", 302, 200),
    Row("GET", "admin/tenants/tenant/governance/", 302, 200),
    Row("GET", "admin/tenants/tenant/governance.json", 302, 200),
    *[
        Row(method, f"admin/tenants/tenant/<int:object_id>/{rest}", 302, 404, f"admin/tenants/tenant/0/{rest}")
        for method, rest in (
            ("GET", "governance/"),
            ("GET", "governance.json"),
            ("GET", "trail/"),
            ("GET", "trail/export/"),
            ("GET", "leave/"),
            ("POST", "leave/"),
            ("GET", "leave/end/"),
            ("POST", "leave/end/"),
        )
    ],
    Row("GET", "admin/gateway/deployment/engines/", 302, 200),
    Row("GET", "admin/gateway/deployment/engines.json", 302, 200),
    Row("GET", "admin/fleet/stop/board/", 302, 200),
    Row("GET", "admin/fleet/stop/board.json", 302, 200),
    Row("GET", "admin/fleet/stop/orders.json", 302, 200),
    Row("POST", "admin/fleet/stop/orders.json", 302, 422),
    Row("GET", "admin/streams/<str:schema>/<str:consumer>/retry/", 302, 404, "admin/streams/org_none/none/retry/"),
    Row("POST", "admin/streams/<str:schema>/<str:consumer>/retry/", 302, 404, "admin/streams/org_none/none/retry/"),
    Row("GET", "admin/logout/", 302, 307),
    Row("GET", "admin/jsi18n/", 302, 200),
    Row("GET", "admin/search/", 302, 200),
    Row("GET", "admin/^(?P<app_label>tenants|fleet|gateway)/$", 302, 200, "admin/tenants/"),
    Row("GET", "admin/(?P<url>.*)$", 302, 404, "admin/auth/group/"),
    *_console("tenants/tenant", acts=("suspend", "resume", "plan", "archive"), delete=403),
    *_console("tenants/tenantarchive", add=403, delete=403),
    *_console("tenants/domain"),
    *_console("tenants/user", acts=("deactivate", "reactivate", "make-owner", "remove-owner"), add=403, delete=403),
    *_console("gateway/deployment", change=302, delete=403),
    *_console("gateway/route", change=302),
    *_console("gateway/price", delete=403),
    *_console("gateway/platformhold", acts=("release",), delete=403),
    *_console("fleet/stop", acts=("resume",), delete=403),
]
TENANT_ROWS += [Row("GET", "health", 200, 200), Row("GET", "readiness", 200, 200)]
