"""Joining, being promoted, leaving: who may, and what happens to whom at once."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, GuildhallError, Invalid
from guildhall.kernel.tenancy import identity_scope, tenant_scope
from tenants.actions.keys import create_api_key
from tenants.actions.members import change_roles, invite, remove_member
from tenants.models import Comember, Invitation, Membership, User
from tests.support.clients import Browser, program, signed_in, tokens_of
from tests.support.tenants import PASSWORD, Member, TestTenant

pytestmark = pytest.mark.integration
ME = "/api/v1/me/"
JSON: dict[str, Any] = {"content_type": "application/json"}


def invited(tenant: TestTenant, email: str, *roles: str, client: str = "") -> str:
    """The path of a fresh invitation's link."""
    with tenant.scope():
        _, token = invite(actor=tenant.actor("admin"), email=email, roles=roles or ["developer"], client=client)
    return f"/invitations/{token}/"


def test_an_invitation_goes_out_by_mail_and_brings_somebody_in_once(tenant: TestTenant, mailoutbox: Any) -> None:
    admin = program(tenant, tokens_of(tenant, tenant.member("admin"))["access"])
    body = {"email": "Nia@People.example", "roles": ["qa", "developer"]}
    sent = admin.post("/api/v1/invitations/", body, **JSON)
    assert sent.status_code == 201
    letter = mail.outbox[0]
    assert letter.to == ["nia@people.example"]
    found = re.search(rf"http://{re.escape(tenant.host)}(/invitations/[\w-]+/)", str(letter.body))
    assert found is not None
    path = found.group(1)
    assert path.split("/")[2] not in sent.content.decode()
    newcomer = Browser(tenant.host)
    weak = newcomer.submit(path, {"name": "Nia", "password": "nia"})
    assert weak.status_code == 422
    assert newcomer.submit(path, {"name": "Nia", "password": PASSWORD}).status_code == 302
    assert newcomer.get(ME).json()["roles"] == ["developer", "qa"]
    replay = Browser(tenant.host)
    assert replay.get(path).status_code == 404
    accept = {"token": path.split("/")[2], "name": "Eve", "password": PASSWORD}
    assert replay.post("/api/v1/invitations/accept/", accept, **JSON).status_code == 404
    assert admin.get("/api/v1/invitations/").json()["results"] == []


def test_an_account_is_asked_for_its_password_before_it_joins(residents: tuple[TestTenant, TestTenant]) -> None:
    here, there = residents
    member = there.member("developer", name="Mover")
    path = invited(here, member.email)
    browser = Browser(here.host)
    assert browser.submit(path, {"password": "guess"}).status_code == 401
    assert browser.submit(path, {"password": "x", "name": "New Name"}).status_code == 401
    assert browser.submit(path, {"password": PASSWORD}).status_code == 302
    assert browser.get(ME).json()["name"] == "Mover"


@pytest.mark.parametrize("change", ["expires_at = now() - interval '1 second'", "accepted_at = now()"])
def test_a_used_or_expired_invitation_opens_nothing(tenant: TestTenant, change: str) -> None:
    path = invited(tenant, "late@people.example")
    with tenant.scope(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE tenants_invitation SET {change}")
    browser = Browser(tenant.host)
    assert browser.get(path).status_code == 404
    accept = {"token": path.split("/")[2], "name": "Late", "password": PASSWORD}
    assert browser.post("/api/v1/invitations/accept/", accept, **JSON).status_code == 404
    with identity_scope():
        assert not User.objects.filter(email="late@people.example").exists()


def test_an_invitation_of_one_tenant_is_unknown_on_anothers_host(residents: tuple[TestTenant, TestTenant]) -> None:
    here, there = residents
    assert Browser(there.host).get(invited(here, "guest@people.example")).status_code == 404


def test_a_withdrawn_invitation_opens_nothing(tenant: TestTenant) -> None:
    path = invited(tenant, "gone@people.example")
    with tenant.scope():
        pk = Invitation.objects.get().pk
    bystander = program(tenant, tokens_of(tenant, tenant.member("developer"))["access"])
    assert bystander.delete(f"/api/v1/invitations/{pk}/").status_code == 404
    admin = program(tenant, tokens_of(tenant, tenant.member("admin"))["access"])
    assert admin.delete(f"/api/v1/invitations/{pk}/").status_code == 204
    assert Browser(tenant.host).get(path).status_code == 404


def test_two_acceptances_at_once_make_one_member(tenant: TestTenant) -> None:
    path = invited(tenant, "twice@people.example")
    accept = {"token": path.split("/")[2], "name": "Twice", "password": PASSWORD}
    barrier = Barrier(2)

    def go() -> int:
        try:
            barrier.wait()
            return Browser(tenant.host).post("/api/v1/invitations/accept/", accept, **JSON).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        codes = sorted(future.result() for future in [pool.submit(go), pool.submit(go)])
    assert codes[0] == 204
    assert codes[1] in (401, 404, 409)
    with tenant.scope():
        assert Comember.objects.filter(name="Twice").count() == 1


@pytest.mark.parametrize(
    ("role", "wanted"),
    [
        ("developer", ["admin"]),
        ("developer", ["developer", "devops"]),
        ("viewer", ["viewer"]),
        ("client", ["client"]),
        ("product_owner", ["admin"]),
    ],
)
def test_nobody_hands_on_more_than_they_hold(
    residents: tuple[TestTenant, TestTenant], role: str, wanted: list[str]
) -> None:
    tenant = residents[0]
    actor, somebody = tenant.actor(role), tenant.actor("qa")
    ref = "client:1" if wanted == ["client"] else ""
    with tenant.scope():
        with pytest.raises(Denied):
            invite(actor=actor, email="x@people.example", roles=wanted, client=ref)
        with pytest.raises(Denied):
            change_roles(actor=actor, person=somebody.id, roles=["qa", *wanted] if not ref else wanted, client=ref)
        with pytest.raises(Denied):
            change_roles(actor=actor, person=actor.id, roles=[role, "admin"] if not ref else ["admin"])


def test_one_hands_on_what_one_holds_and_takes_only_from_oneself(tenant: TestTenant) -> None:
    developer, quality = tenant.actor("developer"), tenant.actor("qa")
    with tenant.scope():
        change_roles(actor=developer, person=quality.id, roles=["qa", "developer"])
        with pytest.raises(Denied):
            change_roles(actor=developer, person=quality.id, roles=["developer"])
        with pytest.raises(Denied):
            remove_member(actor=developer, person=quality.id)
        remove_member(actor=quality, person=quality.id)


def test_agents_manage_nobody(tenant: TestTenant) -> None:
    with tenant.scope():
        with pytest.raises(Denied):
            invite(actor=tenant.agent("developer", "mason"), email="x@people.example", roles=["developer"])
        with pytest.raises(Denied):
            create_api_key(actor=tenant.agent("developer", "mason"), name="k", scopes=["api:read"])


@pytest.mark.parametrize(
    ("roles", "client"),
    [([], ""), (["king"], ""), (["client"], ""), (["client", "admin"], "client:1"), (["qa"], "client:1")],
)
def test_impossible_roles_are_refused(residents: tuple[TestTenant, TestTenant], roles: list[str], client: str) -> None:
    tenant = residents[0]
    admin = tenant.actor("admin")
    with tenant.scope(), pytest.raises(Invalid):
        invite(actor=admin, email="x@people.example", roles=roles, client=client)


def test_the_last_admin_stays(tenant: TestTenant) -> None:
    admin = tenant.actor("admin")
    with tenant.scope():
        with pytest.raises(Conflict):
            remove_member(actor=admin, person=admin.id)
        with pytest.raises(Conflict):
            change_roles(actor=admin, person=admin.id, roles=["viewer"])


def test_somebody_who_cannot_sign_in_does_not_count_as_the_other_admin(tenant: TestTenant) -> None:
    admin, ghost = tenant.actor("admin"), tenant.member("admin", name="Ghost")
    with identity_scope():
        User.objects.filter(email=ghost.email).update(is_active=False)
    with tenant.scope(), pytest.raises(Conflict):
        remove_member(actor=admin, person=admin.id)


@pytest.mark.parametrize("_round", range(3))
def test_two_admins_who_remove_each_other_at_once_leave_one(tenant: TestTenant, _round: int) -> None:
    first, second = tenant.actor("admin"), tenant.actor("admin", name="Second")
    barrier = Barrier(2)

    def act(actor: Actor, target: Actor) -> str:
        try:
            with tenant_scope(tenant.schema):
                barrier.wait()
                remove_member(actor=actor, person=target.id)
            return "done"
        except GuildhallError as error:
            return error.code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(f.result() for f in [pool.submit(act, first, second), pool.submit(act, second, first)])
    assert outcomes == ["conflict", "done"]
    with tenant.scope():
        assert Comember.objects.filter(roles__contains=["admin"]).count() == 1


def test_whoever_leaves_is_out_with_the_next_request(tenant: TestTenant) -> None:
    admin, leaver = tenant.actor("admin"), tenant.member("developer")
    browser, pair = signed_in(tenant, leaver), tokens_of(tenant, leaver)
    with tenant.scope():
        _, key = create_api_key(actor=leaver.actor, name="k", scopes=["api:read"])
        remove_member(actor=admin, person=leaver.actor.id)
    assert browser.get(ME).status_code == 401
    assert browser.get("/account/security/")["Location"].startswith("/sign-in/")
    assert {program(tenant, c).get(ME).status_code for c in (pair["access"], key)} == {401}
    assert program(tenant).post("/api/v1/auth/refresh/", {"refresh": pair["refresh"]}, **JSON).status_code == 401
    assert Browser(tenant.host).sign_in(leaver).status_code == 401
    with tenant.scope():
        user = invite(actor=admin, email=leaver.email, roles=["developer"])[1]
    assert Browser(tenant.host).submit(f"/invitations/{user}/", {"password": PASSWORD}).status_code == 302
    assert {program(tenant, c).get(ME).status_code for c in (pair["access"], key)} == {401}


def test_a_deactivated_account_is_out_everywhere(tenant: TestTenant) -> None:
    member = tenant.member("developer")
    browser, pair = signed_in(tenant, member), tokens_of(tenant, member)
    with identity_scope():
        User.objects.filter(email=member.email).update(is_active=False)
    assert (browser.get(ME).status_code, program(tenant, pair["access"]).get(ME).status_code) == (401, 401)
    assert Browser(tenant.host).sign_in(member).status_code == 401


def test_members_are_listed_by_name_without_addresses_and_clients_see_their_own(tenant: TestTenant) -> None:
    client = tenant.member("client")
    with tenant.scope():
        Membership.objects.filter(roles=["client"]).update(client="client:1")
    tenant.member("developer")
    listed = program(tenant, tokens_of(tenant, tenant.member("admin"))["access"]).get("/api/v1/members/")
    assert [entry["name"] for entry in listed.json()["results"]] == ["Admin", "Client", "Developer"]
    assert "@" not in listed.content.decode()
    guest = program(tenant, tokens_of(tenant, client)["access"])
    assert [entry["name"] for entry in guest.get("/api/v1/members/").json()["results"]] == ["Client"]
    assert guest.get(f"/api/v1/members/{tenant.actor('developer').id}/").status_code == 404


def test_members_of_one_tenant_do_not_exist_in_another(residents: tuple[TestTenant, TestTenant]) -> None:
    here, there = residents
    target = there.actor("developer")
    client = program(here, tokens_of(here, here.member("admin"))["access"])
    path = f"/api/v1/members/{target.id}/"
    assert client.get(path).status_code == 404
    assert client.put(path, {"roles": ["viewer"]}, **JSON).status_code == 404
    assert client.delete(path).status_code == 404


def test_bad_input_is_named(residents: tuple[TestTenant, TestTenant]) -> None:
    tenant = residents[0]
    client = program(tenant, tokens_of(tenant, tenant.member("admin"))["access"])
    bad = client.post("/api/v1/invitations/", {"email": "no address", "roles": ["king"]}, **JSON)
    assert bad.status_code == 422
    assert set(bad.json()["fields"]) == {"email", "roles.0"}
    assert client.post("/api/v1/invitations/", "{", **JSON).status_code == 400
    nul = client.post("/api/v1/api-keys/", {"name": "a\0b", "scopes": ["api:read"]}, **JSON)
    assert nul.status_code == 422
    assert client.delete("/api/v1/api-keys/99999999999999999999/").status_code == 404


def test_a_password_is_proven_under_the_same_lock_out_when_joining(residents: tuple[TestTenant, TestTenant]) -> None:
    here, there = residents
    member = there.member("developer", name="Joiner")
    path = invited(here, member.email)
    guess = Browser(here.host, HTTP_X_REAL_IP="203.0.113.99")
    codes = [guess.submit(path, {"password": "guess"}).status_code for _ in range(9)]
    assert codes[-1] == 429
    assert (
        Browser(here.host, HTTP_X_REAL_IP="203.0.113.99").sign_in(Member(member.actor, member.email)).status_code == 429
    )
