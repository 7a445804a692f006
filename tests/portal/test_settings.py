"""Settings by forms alone: members, invitations and keys, with the rules of the API and the reason beside its cause."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from guildhall.kernel.tenancy import tenant_scope
from tenants.actions.keys import create_api_key
from tenants.models import ApiKey, Comember, Invitation, Membership
from tests.support.browsers import browsers
from tests.support.clients import Browser, program, signed_in
from tests.support.pages import text_of
from tests.support.tenants import PASSWORD, TestTenant

pytestmark = pytest.mark.integration
__all__ = ["browsers"]
MEMBERS, KEYS = "/settings/members/", "/settings/keys/"


@pytest.fixture(scope="module")
def house(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    return make_tenant()


def roles_of(house: TestTenant, person: str) -> list[str]:
    with tenant_scope(house.schema):
        return sorted(Comember.objects.get(public_id=person).roles)


def test_an_invitation_is_sent_sent_again_and_withdrawn(
    house: TestTenant, browsers: Callable[[str], Browser], mailoutbox: list[Any]
) -> None:
    admin = browsers("admin")
    sent = admin.submit(MEMBERS, {"act": "invite", "email": "Nia@People.example", "roles": ["qa", "developer"]})
    assert (sent.status_code, sent["Location"]) == (302, MEMBERS)
    shown = text_of(admin.get(MEMBERS))
    assert "nia@people.example" in shown
    assert "Developer, QA" in shown
    with tenant_scope(house.schema):
        row = Invitation.objects.get(email="nia@people.example")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE tenants_invitation SET expires_at = now() WHERE id = %s", [row.pk])
    assert "expired" in text_of(admin.get(MEMBERS))
    assert browsers("developer").submit(MEMBERS, {"act": "resend", "invitation": row.pk}).status_code == 404
    assert admin.submit(MEMBERS, {"act": "resend", "invitation": row.pk}).status_code == 302
    first, second = (re.search(r"/invitations/[\w-]+/", str(letter.body)) for letter in mail.outbox)
    assert first is not None
    assert second is not None
    guest = Browser(house.host)
    assert guest.get(first.group()).status_code == 404, "the old link stopped working"
    assert guest.get(second.group()).status_code == 200
    assert admin.submit(MEMBERS, {"act": "withdraw", "invitation": row.pk}).status_code == 302
    assert guest.submit(second.group(), {"name": "Nia", "password": PASSWORD}).status_code == 404


def test_nobody_offers_what_they_do_not_hold(house: TestTenant, browsers: Callable[[str], Browser]) -> None:
    developer, viewer = browsers("developer"), browsers("viewer")
    boxes = set(re.findall(r'name="roles" value="(\w+)"', text_of(developer.get(MEMBERS))))
    assert boxes == {"developer"}
    greedy = developer.submit(MEMBERS, {"act": "invite", "email": "x@people.example", "roles": ["admin"]})
    assert greedy.status_code == 403
    assert "you do not hold admin" in text_of(greedy)
    assert "x@people.example" in text_of(greedy), "what was typed is kept"
    assert 'name="roles"' not in text_of(viewer.get(MEMBERS))
    refused = viewer.submit(MEMBERS, {"act": "invite", "email": "x@people.example", "roles": ["viewer"]})
    assert refused.status_code == 403
    for sent, said in (({"email": "nonsense", "roles": ["qa"]}, "valid email"), ({"email": "a@b.example"}, "at least")):
        answer = browsers("admin").submit(MEMBERS, {"act": "invite", **sent})
        assert (answer.status_code, said in text_of(answer)) == (422, True)


def test_an_old_sender_cannot_send_again_what_they_no_longer_hold(house: TestTenant, mailoutbox: list[Any]) -> None:
    sender = house.member("architect", name="Was More")
    browser = signed_in(house, sender)
    browser.submit(MEMBERS, {"act": "invite", "email": "late@people.example", "roles": ["architect"]})
    with tenant_scope(house.schema):
        Membership.objects.filter(user_id=Comember.objects.get(public_id=sender.actor.id).pk).update(roles=["qa"])
        number = Invitation.objects.get(email="late@people.example").pk
    answer = browser.submit(MEMBERS, {"act": "resend", "invitation": number})
    assert answer.status_code == 403
    assert len(mailoutbox) == 1


def test_roles_are_ticked_and_the_last_admin_stays(house: TestTenant, browsers: Callable[[str], Browser]) -> None:
    admin, somebody = browsers("admin"), house.actor("qa", name="Ticked")
    place = f"{MEMBERS}{somebody.id}/"
    assert admin.submit(place, {"act": "roles", "roles": ["qa", "devops"], "client": ""}).status_code == 302
    assert roles_of(house, somebody.id) == ["devops", "qa"]
    developer = browsers("developer")
    more = developer.submit(place, {"act": "roles", "roles": ["developer"]})
    assert more.status_code == 302
    assert roles_of(house, somebody.id) == ["developer", "devops", "qa"], "boxes that are not theirs keep their value"
    assert developer.submit(place, {"act": "roles", "roles": ["admin"]}).status_code == 403
    own = f"{MEMBERS}{house.actor('admin').id}/"
    last = admin.submit(own, {"act": "roles", "roles": ["viewer"], "client": ""})
    assert last.status_code == 409
    assert "last admin" in text_of(last)
    assert admin.submit(own, {"act": "remove", "confirm": "Admin"}).status_code == 409
    assert roles_of(house, house.actor("admin").id) == ["admin"]


def test_somebody_is_removed_when_their_name_was_typed(house: TestTenant, browsers: Callable[[str], Browser]) -> None:
    leaver = house.member("data", name="Leaving Now")
    theirs, place = signed_in(house, leaver), f"{MEMBERS}{leaver.actor.id}/"
    assert "Remove Leaving Now" not in text_of(browsers("developer").get(place))
    assert browsers("developer").submit(place, {"act": "remove", "confirm": "Leaving Now"}).status_code == 403
    unsure = browsers("admin").submit(place, {"act": "remove", "confirm": "Leaving"})
    assert unsure.status_code == 422
    assert "Type the name as it stands here: Leaving Now" in text_of(unsure)
    assert theirs.get("/").status_code == 200
    assert browsers("admin").submit(place, {"act": "remove", "confirm": "leaving  now"})["Location"] == MEMBERS
    assert theirs.get("/").status_code == 302
    assert browsers("admin").get(place).status_code == 404


def test_one_leaves_by_oneself(house: TestTenant) -> None:
    leaver = house.member("viewer", name="Off I Go")
    browser = signed_in(house, leaver)
    answer = browser.submit(f"{MEMBERS}{leaver.actor.id}/", {"act": "remove", "confirm": "Off I Go"})
    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/")
    assert browser.get("/").status_code == 302


def test_a_key_is_made_shown_once_used_and_revoked(house: TestTenant, browsers: Callable[[str], Browser]) -> None:
    browser = browsers("developer")
    made = browser.submit(KEYS, {"act": "create", "name": "Builds", "scopes": ["api:read"], "days": "30"})
    (secret,) = re.findall(r"<code>(gh_[\w-]+)</code>", text_of(made))
    assert "no-store" in made["Cache-Control"]
    assert program(house, secret).get("/api/v1/me/").json()["scopes"] == ["api:read"]
    again = text_of(browser.get(KEYS))
    assert secret not in again
    assert "Last used" in again
    assert "Builds" not in text_of(browsers("qa").get(KEYS)), "others see their own"
    with tenant_scope(house.schema):
        number = ApiKey.objects.get(name="Builds").pk
    assert browsers("qa").submit(KEYS, {"act": "revoke", "key": number}).status_code == 404
    assert "of Developer" in text_of(browsers("admin").get(KEYS))
    assert browsers("admin").submit(KEYS, {"act": "revoke", "key": number}).status_code == 302
    assert program(house, secret).get("/api/v1/me/").status_code == 401


@pytest.mark.parametrize(
    ("role", "sent", "status", "said"),
    [
        ("developer", {"name": "", "scopes": ["api:read"], "days": "30"}, 422, "1 to 80 characters"),
        ("developer", {"name": "x", "days": "30"}, 422, "at least one"),
        ("developer", {"name": "x", "scopes": ["api:read"], "days": "367"}, 422, "1 to 366 days"),
        ("developer", {"name": "x", "scopes": ["api:read"], "days": "soon"}, 422, "1 to 366 days"),
        ("viewer", {"name": "x", "scopes": ["llm"], "days": "30"}, 403, "you do not hold llm"),
    ],
)
def test_a_key_that_may_not_be_is_not_made(
    house: TestTenant, browsers: Callable[[str], Browser], role: str, sent: dict[str, Any], status: int, said: str
) -> None:
    answer = browsers(role).submit(KEYS, {"act": "create", **sent})
    assert (answer.status_code, said in text_of(answer)) == (status, True)
    assert "gh_" not in text_of(answer).partition('id="new-key"')[2]


def test_a_client_sees_its_own_people_and_keys_and_no_settings(
    make_tenant: Callable[..., TestTenant],
) -> None:
    house = make_tenant()
    one, other = house.member("client", name="From Acme"), house.member("client", name="From Bolt")
    with tenant_scope(house.schema):
        for member, client in ((one, "acme"), (other, "bolt")):
            pk = Comember.objects.get(public_id=member.actor.id).pk
            Membership.objects.filter(user_id=pk).update(client=client)
        create_api_key(actor=house.actor("admin"), name="Of the team", scopes=["api:read"])
    browser = signed_in(house, one)
    shown = text_of(browser.get(MEMBERS)) + text_of(browser.get(KEYS))
    assert "From Acme" in shown
    for hidden in ("From Bolt", "bolt", "Of the team", 'href="/settings/"'):
        assert hidden not in shown, hidden
    assert browser.get(f"{MEMBERS}{other.actor.id}/").status_code == 404
    assert browser.submit(MEMBERS, {"act": "invite", "email": "x@y.example", "roles": ["client"]}).status_code == 422
