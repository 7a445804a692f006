"""API credentials: whose they are, where they work, and what ends them."""

import time
from typing import Any

import jwt
import pytest
from django.db import connection
from django.test import Client

from guildhall.evidence.selectors import recent
from guildhall.kernel.tenancy import platform_scope
from tenants.actions.keys import create_api_key
from tenants.actions.members import change_roles
from tenants.auth.derive import derived_key
from tenants.models import ApiKey, RefreshToken
from tests.support.clients import program, signed_in, tokens_of
from tests.support.tenants import Member, TestTenant

pytestmark = pytest.mark.integration
REFUSED = 'Bearer realm="guildhall", error="invalid_token"'
ME = "/api/v1/me/"
REFRESH = "/api/v1/auth/refresh/"


def claims_of(access: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(access, options={"verify_signature": False})
    return claims


def refresh(tenant: TestTenant, token: str) -> Any:
    return program(tenant).post(REFRESH, {"refresh": token}, content_type="application/json")


def key_of(tenant: TestTenant, member: Member, *scopes: str, days: int = 1) -> str:
    with tenant.scope():
        return create_api_key(actor=member.actor, name="test", scopes=scopes or ["api:read"], days=days)[1]


def test_an_access_token_names_person_roles_tenant_and_permissions(residents: tuple[TestTenant, TestTenant]) -> None:
    tenant = residents[0]
    member = tenant.member("developer")
    pair = tokens_of(tenant, member)
    claims = claims_of(pair["access"])
    assert claims["sub"] == member.actor.id
    assert claims["roles"] == ["developer"]
    assert claims["tenant_id"] == claims["aud"] == tenant.schema
    assert "api:write" in claims["permissions"]
    assert claims["exp"] - claims["iat"] == pair["expires_in"] == 900
    me = program(tenant, pair["access"]).get(ME).json()
    assert (me["id"], me["roles"], me["via"]) == (member.actor.id, ["developer"], "token")


def test_no_credential_of_one_tenant_works_on_anothers_host(residents: tuple[TestTenant, TestTenant]) -> None:
    here, there = residents
    member = here.member("admin")
    pair, key = tokens_of(here, member), key_of(here, member)
    for credential in (pair["access"], key, pair["refresh"]):
        answer = program(there, credential).get(ME)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, REFUSED)
        assert Client(HTTP_HOST="localhost", HTTP_AUTHORIZATION=f"Bearer {credential}").get(ME).status_code == 404
    assert refresh(there, pair["refresh"]).status_code == 401
    assert refresh(here, pair["refresh"]).status_code == 200
    assert program(here, key).get(ME).status_code == 200


def test_a_person_in_both_tenants_carries_no_token_across(residents: tuple[TestTenant, TestTenant]) -> None:
    from tenants.models import Membership

    here, there = residents
    member = here.member("admin", name="Both")
    with here.scope():
        user_id = ApiKey.objects.get(key_hash=_stored(key_of_outside(here, member))).user_id
    with there.scope():
        Membership.objects.create(tenant_id=there.schema, user_id=user_id, roles=["viewer"])
    pair = tokens_of(here, member)
    assert program(there, pair["access"]).get(ME).status_code == 401
    assert program(there, tokens_of(there, member)["access"]).get(ME).json()["roles"] == ["viewer"]


def key_of_outside(tenant: TestTenant, member: Member) -> str:
    """The same as `key_of`, for a caller that is in the tenant's scope already."""
    return create_api_key(actor=member.actor, name="test", scopes=["api:read"], days=1)[1]


def _stored(secret: str) -> str:
    from tenants.selectors import digest

    return digest(secret)


def forgeries(claims: dict[str, Any], tenant: TestTenant, other: TestTenant) -> dict[str, str]:
    right, wrong = derived_key(f"access-token.{tenant.schema}"), derived_key(f"access-token.{other.schema}")
    now = int(time.time())
    return {
        "no algorithm": jwt.encode(claims, "", "none"),
        "another key": jwt.encode(claims, "0" * 32, "HS256"),
        "another tenant's key": jwt.encode(claims, wrong, "HS256"),
        "another algorithm": jwt.encode(claims, right, "HS512"),
        "another audience": jwt.encode({**claims, "aud": other.schema}, right, "HS256"),
        "several audiences": jwt.encode({**claims, "aud": [tenant.schema, other.schema]}, right, "HS256"),
        "another issuer": jwt.encode({**claims, "iss": "somebody"}, right, "HS256"),
        "another tenant id": jwt.encode({**claims, "tenant_id": other.schema}, right, "HS256"),
        "expired": jwt.encode({**claims, "exp": now - 1}, right, "HS256"),
        "not expiring": jwt.encode({k: v for k, v in claims.items() if k != "exp"}, right, "HS256"),
        "no such family": jwt.encode({**claims, "fam": "6f1c8a4e-2f0c-4a34-9b7e-0a6f5f0c9d11"}, right, "HS256"),
        "no such person": jwt.encode({**claims, "sub": "somebody"}, right, "HS256"),
        "not a token": "a.b.c",
    }


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_forged_and_stale_tokens_are_refused(residents: tuple[TestTenant, TestTenant]) -> None:
    tenant, other = residents
    claims = claims_of(tokens_of(tenant, tenant.member("admin"))["access"])
    genuine = jwt.encode(claims, derived_key(f"access-token.{tenant.schema}"), "HS256")
    assert program(tenant, genuine).get(ME).status_code == 200
    answers = {
        name: program(tenant, token).get(ME).status_code for name, token in forgeries(claims, tenant, other).items()
    }
    assert answers == dict.fromkeys(answers, 401)


def test_roles_in_a_token_give_nothing_that_the_membership_does_not(tenant: TestTenant) -> None:
    admin, member = tenant.member("admin"), tenant.member("admin", name="Second")
    pair = tokens_of(tenant, member)
    with tenant.scope():
        change_roles(actor=admin.actor, person=member.actor.id, roles=["viewer"])
    client = program(tenant, pair["access"])
    me = client.get(ME).json()
    assert (me["roles"], "llm" in me["scopes"]) == (["viewer"], False)
    assert client.delete(f"/api/v1/members/{admin.actor.id}/").status_code == 403


def test_a_refresh_token_used_twice_ends_its_family(tenant: TestTenant) -> None:
    pair = tokens_of(tenant, tenant.member("developer"))
    second = refresh(tenant, pair["refresh"]).json()
    assert program(tenant, second["access"]).get(ME).status_code == 200
    assert refresh(tenant, pair["refresh"]).status_code == 401
    assert refresh(tenant, second["refresh"]).status_code == 401
    assert program(tenant, second["access"]).get(ME).status_code == 401
    with tenant.scope():
        assert recent(kinds=["identity.token_family.ended"])[0]["reason"] == "a refresh token was used twice"
    assert program(tenant, tokens_of(tenant, tenant.member("developer"))["access"]).get(ME).status_code == 200


def test_a_refresh_token_ends_when_asked_and_when_its_time_is_over(tenant: TestTenant) -> None:
    pair = tokens_of(tenant, tenant.member("developer"))
    revoke = program(tenant).post("/api/v1/auth/revoke/", {"refresh": pair["refresh"]}, content_type="application/json")
    assert revoke.status_code == 204
    assert program(tenant, pair["access"]).get(ME).status_code == 401
    late = tokens_of(tenant, tenant.member("developer"))
    with tenant.scope(), connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_refreshtoken SET expires_at = now() - interval '1 second'")
    assert refresh(tenant, late["refresh"]).status_code == 401
    unknown = program(tenant).post("/api/v1/auth/revoke/", {"refresh": "ghr_no"}, content_type="application/json")
    assert unknown.status_code == 204


def test_secrets_are_stored_as_digests(tenant: TestTenant) -> None:
    member = tenant.member("developer")
    pair, key = tokens_of(tenant, member), key_of(tenant, member)
    assert key.startswith("gh_")
    with tenant.scope(), connection.cursor() as cursor:
        for table in ("tenants_apikey", "tenants_refreshtoken"):
            cursor.execute(f"SELECT t::text FROM {table} t")
            rows = " ".join(row[0] for row in cursor.fetchall())
            assert key not in rows
            assert pair["refresh"] not in rows


def test_a_key_opens_what_its_scopes_say(tenant: TestTenant) -> None:
    member = tenant.member("admin")
    reader, writer = key_of(tenant, member), key_of(tenant, member, "api:read", "api:write")
    invitation = {"email": "new@people.example", "roles": ["viewer"]}
    for key, status in ((reader, 403), (writer, 201)):
        sent = program(tenant, key).post("/api/v1/invitations/", invitation, content_type="application/json")
        assert sent.status_code == status
    assert program(tenant, key_of(tenant, member, "llm")).get(ME).status_code == 403


def test_a_key_is_shown_once_and_revoked_at_once(tenant: TestTenant) -> None:
    browser = signed_in(tenant, tenant.member("developer"))
    token: dict[str, Any] = {"HTTP_X_CSRFTOKEN": browser.csrf_token, "content_type": "application/json"}
    made = browser.post("/api/v1/api-keys/", {"name": "CI", "scopes": ["api:read"]}, **token).json()
    listed = browser.get("/api/v1/api-keys/").content.decode()
    assert made["key"] not in listed
    assert made["prefix"] in listed
    client = program(tenant, made["key"])
    assert client.get(ME).json()["via"] == "api_key"
    assert browser.get("/api/v1/api-keys/").json()["results"][0]["last_used_at"] is not None
    assert browser.delete(f"/api/v1/api-keys/{made['id']}/", **token).status_code == 204
    assert client.get(ME).status_code == 401
    assert browser.delete(f"/api/v1/api-keys/{made['id']}/", **token).status_code == 409


def test_last_use_is_written_at_most_once_a_minute(tenant: TestTenant) -> None:
    client = program(tenant, key_of(tenant, tenant.member("developer")))
    client.get(ME)
    with tenant.scope():
        first = ApiKey.objects.get().last_used_at
    client.get(ME)
    with tenant.scope():
        assert ApiKey.objects.get().last_used_at == first


def test_an_expired_key_opens_nothing(tenant: TestTenant) -> None:
    key = key_of(tenant, tenant.member("developer"))
    with tenant.scope(), connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_apikey SET expires_at = now() - interval '1 second'")
    assert program(tenant, key).get(ME).status_code == 401


@pytest.mark.parametrize(
    ("role", "scopes", "status"),
    [
        ("viewer", ["llm"], 403),
        ("viewer", ["api:read"], 201),
        ("developer", ["llm", "mcp"], 201),
        ("admin", ["root"], 422),
    ],
)
def test_nobody_gives_a_key_more_than_they_hold(
    residents: tuple[TestTenant, TestTenant], role: str, scopes: list[str], status: int
) -> None:
    client = program(residents[0], tokens_of(residents[0], residents[0].member(role))["access"])
    sent = client.post("/api/v1/api-keys/", {"name": "k", "scopes": scopes}, content_type="application/json")
    assert sent.status_code == status


def test_a_key_makes_no_key_and_sees_no_others(tenant: TestTenant) -> None:
    mine, theirs = tenant.member("developer"), tenant.member("qa")
    key_of(tenant, theirs)
    client = program(tenant, key_of(tenant, mine, "api:read", "api:write"))
    sent = client.post("/api/v1/api-keys/", {"name": "k", "scopes": ["api:read"]}, content_type="application/json")
    assert sent.status_code == 403
    (listed,) = client.get("/api/v1/api-keys/").json()["results"]
    with tenant.scope():
        foreign = ApiKey.objects.exclude(pk=listed["id"]).get()
    assert client.delete(f"/api/v1/api-keys/{foreign.pk}/").status_code == 404


def test_a_header_decides_alone(tenant: TestTenant) -> None:
    browser = signed_in(tenant, tenant.member("admin"))
    assert browser.get(ME, HTTP_AUTHORIZATION="Bearer gh_wrong").status_code == 401
    assert browser.get(ME, HTTP_AUTHORIZATION="Basic YTpi").status_code == 401


def test_the_platform_sees_that_a_token_was_ended(tenant: TestTenant) -> None:
    pair = tokens_of(tenant, tenant.member("developer"))
    with platform_scope():
        RefreshToken.objects.filter(tenant_id=tenant.schema).update(revoked_at="2026-01-01T00:00:00Z")
    assert program(tenant, pair["access"]).get(ME).status_code == 401


def test_every_401_says_what_is_wanted_and_whether_a_token_was_no_good(
    residents: tuple[TestTenant, TestTenant],
) -> None:
    """RFC 9110 wants a challenge on every 401; RFC 6750 an error only where a token came."""
    host = residents[0]
    wrong = {"email": "nobody@people.example", "password": "x"}
    plain = 'Bearer realm="guildhall"'
    basic = Client(HTTP_HOST=host.host, HTTP_AUTHORIZATION="Basic eDp5")
    answers = {
        "nothing": (program(host).get(ME), plain),
        "a key": (program(host, "gh_unknown").get(ME), REFUSED),
        "a token": (program(host, "a.b.c").get(ME), REFUSED),
        "another scheme": (basic.get(ME), plain),
        "a password": (program(host).post("/api/v1/auth/token/", wrong, content_type="application/json"), plain),
        "a refresh token": (refresh(host, "ghr_x"), plain),
    }
    for name, (answer, expected) in answers.items():
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, expected), name
