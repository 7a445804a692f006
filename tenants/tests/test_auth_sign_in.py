"""Coming in by the sign-in page: who gets in, who does not, and what ends it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from guildhall.evidence.selectors import recent
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.tenancy import identity_scope, platform_scope
from tenants.actions.tenants import resume_tenant, suspend_tenant
from tenants.models import Session, Tenant, User
from tests.support.clients import Browser, signed_in, time_code, tokens_of
from tests.support.tenants import PASSWORD, Member, TestTenant

pytestmark = pytest.mark.integration
ME = "/api/v1/me/"
SECURITY = "/account/security/"


def enrol(browser: Browser) -> tuple[str, list[str]]:
    """Turn the second factor on as a person does; returns the app's secret and the recovery codes."""
    browser.submit(SECURITY, {"act": "start"})
    page = browser.get(SECURITY).content.decode()
    secret = page.split('id="totp-secret">')[1].split("<")[0]
    done = browser.submit(SECURITY, {"act": "confirm", "code": time_code(secret)})
    assert done.status_code == 200, done.content
    listed = done.content.decode().split('id="recovery-codes">')[1].split("</ul>")[0]
    return secret, [part.split("</li>")[0] for part in listed.split("<li>")[1:]]


def test_a_member_signs_in_and_out(tenant: TestTenant) -> None:
    member = tenant.member("developer")
    browser = Browser(tenant.host)
    assert browser.get(ME).status_code == 401
    answer = browser.sign_in(member, next="/account/security/")
    assert (answer.status_code, answer["Location"]) == (302, "/account/security/")
    assert browser.get(ME).json() | {"scopes": None, "via": "session"} == browser.get(ME).json()
    cookie = browser.cookies["gh_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["domain"]) == (True, "Lax", "")
    assert browser.submit("/sign-out/", form_at=SECURITY).status_code == 302
    browser.cookies["gh_session"] = cookie.value
    assert browser.get(ME).status_code == 401
    with tenant.scope():
        assert {"identity.signed_in", "identity.signed_out"} <= {entry["kind"] for entry in recent()}


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_sign_in_leads_nowhere_else(residents: tuple[TestTenant, TestTenant], target: str) -> None:
    answer = Browser(residents[0].host).sign_in(residents[0].member("viewer"), next=target)
    assert answer["Location"] == "/"


def test_wrong_passwords_unknown_people_and_members_of_another_tenant_look_the_same(
    residents: tuple[TestTenant, TestTenant],
) -> None:
    here, there = residents
    stranger, known = there.member("admin"), here.member("admin")
    answers = [
        Browser(here.host).sign_in(attempt)
        for attempt in (stranger, Member(known.actor, known.email, "wrong"), Member(known.actor, "no@body.example"))
    ]
    assert {answer.status_code for answer in answers} == {401}
    texts = {answer.context["form"].non_field_errors()[0] for answer in answers}
    assert len(texts) == 1


def test_a_session_of_one_tenant_does_not_exist_on_anothers_host(residents: tuple[TestTenant, TestTenant]) -> None:
    here, there = residents
    browser = signed_in(here, here.member("admin"))
    thief = Browser(there.host)
    thief.cookies["gh_session"] = browser.cookies["gh_session"].value
    assert thief.get(ME).status_code == 401
    assert thief.get(SECURITY)["Location"].startswith("/sign-in/")
    console = Browser("localhost")
    console.cookies["gh_session"] = browser.cookies["gh_session"].value
    assert console.get(SECURITY)["Location"].startswith("/sign-in/")
    assert browser.get(ME).status_code == 200


def test_nobody_becomes_somebody_by_reading_the_table_of_sessions(tenant: TestTenant) -> None:
    browser = signed_in(tenant, tenant.member("developer"))
    with tenant.scope():
        stored = Session.objects.values_list("session_key", flat=True)[0]
    assert stored != browser.cookies["gh_session"].value
    thief = Browser(tenant.host)
    thief.cookies["gh_session"] = stored
    assert thief.get(ME).status_code == 401


def test_sign_in_starts_a_new_session_under_a_new_key(tenant: TestTenant) -> None:
    browser = Browser(tenant.host)
    browser.cookies["gh_session"] = "fixedbyanattackerfixedbyanattack"
    browser.sign_in(tenant.member("developer"))
    assert browser.cookies["gh_session"].value != "fixedbyanattackerfixedbyanattack"


def test_forms_and_sessions_need_their_csrf_token(tenant: TestTenant) -> None:
    member = tenant.member("admin")
    outsider = Browser(tenant.host)
    assert outsider.post("/sign-in/", {"email": member.email, "password": member.password}).status_code == 403
    browser = signed_in(tenant, member)
    send: dict[str, Any] = {"data": {"name": "mine", "scopes": ["api:read"]}, "content_type": "application/json"}
    assert browser.post("/api/v1/api-keys/", **send).status_code == 403
    assert browser.post("/api/v1/api-keys/", **send, HTTP_X_CSRFTOKEN=browser.csrf_token).status_code == 201
    foreign: dict[str, Any] = {"HTTP_X_CSRFTOKEN": browser.csrf_token, "HTTP_ORIGIN": "http://evil.localhost"}
    assert browser.post("/api/v1/api-keys/", **send, **foreign).status_code == 403


def test_repeated_failures_lock_the_door_even_for_the_right_password(tenant: TestTenant) -> None:
    member = tenant.member("developer", name="Locked")
    guess = Browser(tenant.host, HTTP_X_REAL_IP="203.0.113.7")
    spellings = [member.email, member.email.upper(), f" {member.email}"]
    codes = [guess.sign_in(Member(member.actor, spellings[n % 3], "guess")).status_code for n in range(8)]
    assert codes == [401] * 7 + [429]
    assert guess.sign_in(member).status_code == 429
    api = Client(HTTP_HOST=tenant.host, HTTP_X_REAL_IP="203.0.113.7")
    body = {"email": member.email, "password": member.password}
    refused = api.post("/api/v1/auth/token/", body, content_type="application/json")
    assert (refused.status_code, refused["Retry-After"]) == (429, "900")
    elsewhere = Browser(tenant.host, HTTP_X_REAL_IP="203.0.113.8")
    assert elsewhere.sign_in(member).status_code == 302
    with tenant.scope():
        assert [entry["kind"] for entry in recent(kinds=["identity.sign_in.locked"])] == ["identity.sign_in.locked"]


def test_a_stranger_cannot_choose_an_address_to_be_counted_under(tenant: TestTenant) -> None:
    member = tenant.member("developer", name="Faraway")
    for n in range(9):
        guess = Browser(tenant.host, REMOTE_ADDR="198.51.100.9", HTTP_X_REAL_IP=f"203.0.113.{n}")
        last = guess.sign_in(Member(member.actor, member.email, "guess"))
    assert last.status_code == 429


def test_the_second_factor_is_asked_for_and_a_code_opens_one_door(tenant: TestTenant) -> None:
    member = tenant.member("developer")
    secret, _ = enrol(signed_in(tenant, member))
    browser = Browser(tenant.host)
    assert browser.sign_in(member)["Location"] == "/sign-in/verify/"
    assert browser.get(ME).status_code == 401
    code = time_code(secret, steps=1)
    assert browser.submit("/sign-in/verify/", {"code": code}).status_code == 302
    assert browser.get(ME).status_code == 200
    replay = Browser(tenant.host)
    replay.sign_in(member)
    assert replay.submit("/sign-in/verify/", {"code": code}).status_code == 401
    assert replay.get(ME).status_code == 401
    api = Client(HTTP_HOST=tenant.host)
    body = {"email": member.email, "password": member.password}
    assert api.post("/api/v1/auth/token/", body, content_type="application/json").status_code == 401


def test_a_recovery_code_works_once(tenant: TestTenant) -> None:
    member = tenant.member("developer")
    _, codes = enrol(signed_in(tenant, member))
    assert len(set(codes)) == 10
    assert tokens_of(tenant, member, code=codes[0].upper())
    body = {"email": member.email, "password": member.password, "code": codes[0]}
    again = Client(HTTP_HOST=tenant.host).post("/api/v1/auth/token/", body, content_type="application/json")
    assert again.status_code == 401


def test_wrong_codes_make_one_wait(tenant: TestTenant) -> None:
    member = tenant.member("developer")
    enrol(signed_in(tenant, member))
    browser = Browser(tenant.host)
    browser.sign_in(member)
    codes = [browser.submit("/sign-in/verify/", {"code": f"00000{n}"}).status_code for n in range(4)]
    assert codes[0] == 401
    assert 429 in codes
    with platform_scope():
        reads = recent(kinds=["identity.second_factor.read"], actor=member.actor.ref)
    purposes = [entry["event"]["purpose"] for entry in reads]
    assert purposes.count("a code was compared with it and was wrong") == codes.count(401)
    assert purposes[-1] == "it was shown to its owner"


def test_a_verify_page_without_a_password_before_it_leads_back(residents: tuple[TestTenant, TestTenant]) -> None:
    assert Browser(residents[0].host).get("/sign-in/verify/")["Location"] == "/sign-in/"


def test_the_second_factor_is_turned_off_by_a_code_alone(tenant: TestTenant) -> None:
    member = tenant.member("developer")
    browser = signed_in(tenant, member)
    _, codes = enrol(browser)
    assert browser.submit(SECURITY, {"act": "disable", "code": "123 456"}).status_code == 422
    renewed = browser.submit(SECURITY, {"act": "renew", "code": codes[0]})
    assert renewed.status_code == 200
    assert codes[1] not in renewed.content.decode()
    assert browser.submit(SECURITY, {"act": "disable", "code": codes[1]}).status_code == 422
    fresh = renewed.content.decode().split('id="recovery-codes">')[1].split("<li>")[1].split("<")[0]
    browser.defaults["REMOTE_ADDR"] = "127.0.0.1"
    with identity_scope():
        from django_otp.plugins.otp_static.models import StaticDevice

        StaticDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    assert browser.submit(SECURITY, {"act": "disable", "code": fresh}).status_code == 302
    assert Browser(tenant.host).sign_in(member)["Location"] == "/"


def test_one_sees_and_ends_ones_own_sign_ins_alone(tenant: TestTenant) -> None:
    member, other = tenant.member("developer"), tenant.member("qa")
    here, phone, victim = signed_in(tenant, member), signed_in(tenant, member), signed_in(tenant, other)
    listed = here.get("/api/v1/sessions/").json()
    assert len(listed) == 2
    foreign = victim.get("/api/v1/sessions/").json()[0]["id"]
    token: dict[str, Any] = {"HTTP_X_CSRFTOKEN": here.csrf_token}
    assert here.delete(f"/api/v1/sessions/{foreign}/", **token).status_code == 404
    assert victim.get(ME).status_code == 200
    phones = [entry["id"] for entry in phone.get("/api/v1/sessions/").json()]
    assert set(phones) == {entry["id"] for entry in listed}
    for entry in phones:
        here.submit(SECURITY, {"act": "end", "session": entry})
    assert {here.get(ME).status_code, phone.get(ME).status_code} == {401}


def test_sign_out_everywhere_reaches_every_tenant_and_token(residents: tuple[TestTenant, TestTenant]) -> None:
    from tenants.models import Membership

    here, there = residents
    member = here.member("developer", name="Everywhere")
    with identity_scope():
        user = User.objects.get(email=member.email)
    with there.scope():
        Membership.objects.create(tenant_id=there.schema, user_id=user.pk, roles=["viewer"])
    first, second = signed_in(here, member), signed_in(there, member)
    access = tokens_of(there, member)["access"]
    assert first.submit(SECURITY, {"act": "everywhere"}).status_code == 302
    assert {first.get(ME).status_code, second.get(ME).status_code} == {401}
    by_token = Client(HTTP_HOST=there.host, HTTP_AUTHORIZATION=f"Bearer {access}")
    assert by_token.get(ME).status_code == 401


def test_a_new_password_ends_what_the_old_one_opened(tenant: TestTenant) -> None:
    member = tenant.member("developer")
    browser, elsewhere = signed_in(tenant, member), signed_in(tenant, member)
    weak = browser.submit(SECURITY, {"act": "password", "old": PASSWORD, "new": "password"})
    assert weak.status_code == 422
    assert (
        browser.submit(SECURITY, {"act": "password", "old": "x", "new": "another long enough one"}).status_code == 422
    )
    changed = browser.submit(SECURITY, {"act": "password", "old": PASSWORD, "new": "another long enough one"})
    assert changed.status_code == 302
    assert (browser.get(ME).status_code, elsewhere.get(ME).status_code) == (200, 401)
    assert Browser(tenant.host).sign_in(member).status_code == 401
    assert (
        Browser(tenant.host).sign_in(Member(member.actor, member.email, "another long enough one")).status_code == 302
    )


def test_a_suspended_tenant_refuses_at_every_door_with_its_reason(tenant: TestTenant) -> None:
    member = tenant.member("admin")
    browser = signed_in(tenant, member)
    pair = tokens_of(tenant, member)
    operator = system_actor("tests", PLATFORM)
    with platform_scope():
        row = suspend_tenant(actor=operator, tenant=Tenant.objects.get(slug=tenant.slug), reason="Unpaid since May.")
    by_token = Client(HTTP_HOST=tenant.host, HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    anonymous = Client(HTTP_HOST=tenant.host)
    refused = [
        browser.get(ME),
        browser.get(SECURITY),
        by_token.get(ME),
        anonymous.get("/sign-in/"),
        anonymous.post("/api/v1/auth/refresh/", {"refresh": pair["refresh"]}, content_type="application/json"),
        anonymous.get("/invitations/abc/"),
        anonymous.get("/no/such/page/"),
    ]
    assert {answer.status_code for answer in refused} == {403}
    assert all("Unpaid since May." in answer.content.decode() for answer in refused)
    assert refused[0]["Content-Type"] == "application/problem+json"
    with platform_scope():
        resume_tenant(actor=operator, tenant=row)
    assert (browser.get(ME).status_code, by_token.get(ME).status_code) == (200, 200)


def test_owners_sign_in_on_the_platforms_host_and_members_do_not(
    make_tenant: Callable[..., TestTenant], tenant: TestTenant
) -> None:
    with identity_scope():
        User.objects.create_user("olga@owners.example", "Olga", PASSWORD, is_owner=True)
    owner = Member(tenant.system(), "olga@owners.example")
    console = Browser("localhost")
    assert console.sign_in(owner)["Location"] == "/admin/"
    assert console.get(SECURITY).status_code == 200
    assert Browser("localhost").sign_in(tenant.member("admin")).status_code == 401
    assert Browser(tenant.host).sign_in(owner).status_code == 401
    with identity_scope():
        User.objects.filter(email=owner.email).update(is_owner=False)
    assert console.get(SECURITY).status_code == 302


def test_djangos_own_admin_sign_in_gives_way(database: None) -> None:
    answer = Browser("localhost").get("/admin/login/?next=/admin/tenants/")
    assert answer["Location"] == "/sign-in/?next=/admin/tenants/"
