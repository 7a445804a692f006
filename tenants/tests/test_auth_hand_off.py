"""Going from one organisation to another: one browser, one use, one minute, one account, one organisation."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection

from guildhall.evidence.selectors import recent
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.tenancy import identity_scope, platform_scope, tenant_scope
from tenants.actions.members import remove_member
from tenants.actions.tenants import resume_tenant, suspend_tenant
from tenants.models import HandOff, Membership, Tenant, User
from tests.support.clients import Browser
from tests.support.tenants import Member, TestTenant

pytestmark = pytest.mark.integration
ME = "/api/v1/me/"


@dataclass
class Traveller:
    """One person's browser: the cookies of two hosts, kept apart as a browser does."""

    hosts: dict[str, Browser]

    def go(self, address: str) -> Any:
        """Open an address of one of the hosts, as following a link does."""
        parts = urlsplit(address)
        assert parts.hostname is not None
        return self.hosts[parts.hostname].get(f"{parts.path}?{parts.query}")

    def way(self, start: str, steps: int = 9) -> list[str]:
        """The addresses that one is sent to from `start`, as many as `steps`."""
        places = [start]
        while len(places) <= steps:
            answer = self.go(places[-1])
            if answer.status_code != 302 or answer["Location"].startswith("/"):
                break
            places.append(answer["Location"])
        return places


@dataclass
class Pair:
    """Two organisations and somebody who belongs to both."""

    here: TestTenant
    there: TestTenant
    member: Member

    @property
    def start(self) -> str:
        return f"http://{self.there.host}/hand-off/?from={self.here.host}"

    def traveller(self, signed_in: bool = True) -> Traveller:
        found = Traveller({host: Browser(host) for host in (self.here.host, self.there.host)})
        if signed_in:
            assert found.hosts[self.here.host].sign_in(self.member).status_code == 302
        return found

    def join(self, roles: list[str]) -> None:
        with identity_scope():
            user = User.objects.get(email=self.member.email)
        with tenant_scope(self.there.schema):
            Membership.objects.get_or_create(
                user_id=user.pk, tenant_id=self.there.schema, defaults={"roles": roles, "client": ""}
            )


@pytest.fixture(scope="module")
def pair(make_tenant: Callable[..., TestTenant]) -> Pair:
    here, there = make_tenant(), make_tenant()
    found = Pair(here, there, here.member("developer", name="Two Homes"))
    there.member("admin")
    found.join(["qa"])
    return found


def test_the_list_leads_from_one_organisation_into_the_other(pair: Pair) -> None:
    person = pair.traveller()
    page = person.hosts[pair.here.host].get("/organisations/").content.decode()
    part = person.hosts[pair.here.host].get("/organisations/", HTTP_HX_REQUEST="true").content.decode()
    assert "<html" not in part
    (link,) = set(re.findall(r'href="(http://[^"]+)"', page + part))
    assert person.hosts[pair.there.host].get(ME).status_code == 401
    assert len(person.way(link)) == 3
    me = person.hosts[pair.there.host].get(ME).json()
    assert (me["name"], me["roles"], me["tenant"]) == ("Two Homes", ["qa"], pair.there.slug)
    assert person.hosts[pair.here.host].get(ME).json()["roles"] == ["developer"]
    with tenant_scope(pair.there.schema):
        said = [entry["sentence"] for entry in recent(limit=5)]
    assert "signed in to the portal from another organisation of theirs" in said
    assert not any(pair.here.slug in sentence for sentence in said), "where from is nobody's business"


def test_a_token_opens_once_and_only_for_the_browser_that_asked(pair: Pair) -> None:
    person, thief = pair.traveller(), pair.traveller(signed_in=False)
    *_, take = person.way(pair.start, steps=2)
    assert "/hand-off/take/" in take
    refused = thief.go(take)
    assert refused.status_code == 403
    assert "belongs to another browser" in refused.content.decode()
    assert person.go(take).status_code == 403, "showing it used it up"
    *_, again = person.way(pair.start, steps=2)
    assert person.go(again).status_code == 302
    person.hosts[pair.there.host].cookies.pop("gh_session")
    assert person.go(again).status_code == 403


def test_a_thief_cannot_have_a_token_made_for_their_own_browser(pair: Pair) -> None:
    """The victim is led to `give` with the thief's challenge; what comes of it opens nothing in the victim's browser."""
    person, thief = pair.traveller(), pair.traveller(signed_in=False)
    give = thief.way(pair.start, steps=1)[-1]
    take = person.go(give)["Location"]
    assert person.go(take).status_code == 403
    assert thief.go(take).status_code == 403
    assert thief.hosts[pair.there.host].get(ME).status_code == 401


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE tenants_handoff SET expires_at = now()",
        "UPDATE tenants_handoff SET target = '{here}'",
        "UPDATE tenants_handoff SET challenge = repeat('0', 64)",
        "DELETE FROM tenants_session WHERE session_key IN (SELECT session FROM tenants_handoff)",
        "UPDATE tenants_session SET expire_date = now() WHERE session_key IN (SELECT session FROM tenants_handoff)",
    ],
)
def test_what_does_not_fit_is_refused(pair: Pair, spoil: str, as_owner: Callable[[str], None]) -> None:
    person = pair.traveller()
    *_, take = person.way(pair.start, steps=2)
    as_owner(spoil.format(here=pair.here.schema))
    assert person.go(take).status_code == 403
    assert person.hosts[pair.there.host].get(ME).status_code == 401
    with identity_scope():
        assert not HandOff.objects.filter(user__email=pair.member.email).exists(), "it is used up all the same"


def test_it_opens_no_other_organisation(pair: Pair, other_tenant: TestTenant) -> None:
    person = pair.traveller()
    *_, take = person.way(pair.start, steps=2)
    elsewhere = Browser(other_tenant.host)
    elsewhere.cookies["gh_hand_off"] = person.hosts[pair.there.host].cookies["gh_hand_off"].value
    assert elsewhere.get(f"/hand-off/take/?{urlsplit(take).query}").status_code == 403


def test_nobody_gets_into_what_they_are_no_member_of(pair: Pair, other_tenant: TestTenant) -> None:
    browser = pair.traveller().hosts[pair.here.host]
    for host in (other_tenant.host, "nowhere.example", "", "evil.example/?x="):
        answer = browser.get("/hand-off/give/", {"to": host, "challenge": "0" * 64})
        assert answer.status_code == 404, host
    assert browser.get("/hand-off/give/", {"to": pair.there.host, "challenge": "short"}).status_code == 404
    stranger = Browser(pair.there.host)
    assert stranger.get("/hand-off/", {"from": "evil.example"})["Location"] == "/sign-in/", "no open redirect"
    nobody = Browser(pair.here.host).get("/hand-off/give/", {"to": pair.there.host, "challenge": "0" * 64})
    assert nobody["Location"].startswith("/sign-in/?next=")


def test_who_left_or_is_shut_out_is_refused_at_the_last_step(pair: Pair) -> None:
    person = pair.traveller()
    *_, take = person.way(pair.start, steps=2)
    with tenant_scope(pair.there.schema):
        remove_member(actor=pair.there.actor("admin"), person=pair.member.actor.id)
    assert person.go(take).status_code == 401
    assert person.hosts[pair.there.host].get(ME).status_code == 401
    pair.join(["qa"])


def test_a_suspended_organisation_takes_nobody_and_is_not_listed(pair: Pair) -> None:
    person = pair.traveller()
    *_, take = person.way(pair.start, steps=2)
    owner = system_actor("tests", PLATFORM)
    with platform_scope():
        row = Tenant.objects.get(schema_name=pair.there.schema)
        suspend_tenant(actor=owner, tenant=row, reason="For the test of hand-offs.")
    assert person.go(take).status_code == 403
    assert pair.there.host not in person.hosts[pair.here.host].get("/organisations/").content.decode()
    asked = {"to": pair.there.host, "challenge": "0" * 64}
    assert person.hosts[pair.here.host].get("/hand-off/give/", asked).status_code == 404
    with platform_scope():
        resume_tenant(actor=owner, tenant=row)


def test_the_secret_stays_on_its_host_and_off_the_way(pair: Pair) -> None:
    person = pair.traveller()
    give = person.way(pair.start, steps=1)[-1]
    cookie = person.hosts[pair.there.host].cookies["gh_hand_off"]
    assert (cookie["domain"], cookie["path"], cookie["httponly"], cookie["samesite"]) == (
        "", "/hand-off/", True, "Lax",
    )  # fmt: skip
    assert cookie.value not in give
    assert parse_qs(urlsplit(give).query)["to"] == [pair.there.host]


@pytest.fixture
def as_owner(services: Any) -> Callable[[str], None]:
    """Runs a statement as the database's superuser."""
    import psycopg

    def run(statement: str) -> None:
        connection.close()
        with psycopg.connect(services.postgres.url("postgres"), autocommit=True) as db:
            db.execute(statement.encode())

    return run
