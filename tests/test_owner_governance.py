"""What owners see of how organisations are governed: counts that are right, alarms, and an audit trail by leave alone."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.actions.holds import place_hold
from governance.actions.limits import set_limit
from governance.actions.money import reserve
from governance.actions.outcomes import alarm_unexecuted, record_outcome
from governance.actions.policy_drafts import draft_policy, submit_policy_draft
from governance.actions.reputation import adjust_reputation
from governance.actions.violations import Breach, report_violation
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import active_policy
from governance.selectors.oversight import detail, overview
from governance.tests.asking import answer, ask
from guildhall.evidence.selectors import recent
from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.errors import Denied
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.oversight import read_overviews
from tenants.actions.support import look, open_support
from tenants.models import Tenant
from tests.support.clients import Browser, signed_in
from tests.support.console import console, new_owner, recorded
from tests.support.pages import shown
from tests.support.pump import consume, relay
from tests.support.tenants import Member, TestTenant

pytestmark = pytest.mark.integration
PLACE = "/admin/tenants/tenant/"
WHY = "They asked by telephone why a merge is stuck."


@pytest.fixture(scope="module")
def house(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    """One that has something of everything: two approvals, one of them alarming, and a secret in each of its words."""
    tenant = make_tenant()
    with tenant_scope(tenant.schema):
        _fill(tenant, 0)
        given = ask(tenant, subject="task:SECRET-1.0", title="secret merge", sha="0c" * 20)
        answer(tenant.actor("product_owner"), given)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE governance_approval SET decided_at = now() - interval '2 hours' WHERE id = %s", [given.number]
            )
        assert alarm_unexecuted(actor=tenant.system()) == 1
        text = active_policy().text
        draft = draft_policy(actor=tenant.actor("architect"), text=f"{text}# secret\n", reason="A secret reason.")
        submit_policy_draft(actor=tenant.actor("architect"), draft=draft, digest=draft.digest)
        set_limit(
            actor=tenant.actor("admin"), kind=ScopeKind.STORY, scope_id="SECRET-1", window=Window.DAY, amount=Decimal(1)
        )
        for key, amount in (("one", "0.85"), ("two", "0.15")):
            reserve(
                actor=tenant.agent("developer", "mason"), key=f"secret-{key}", amount=Decimal(amount), owner="story:SECRET-1",
                scopes=[Scope(ScopeKind.STORY, "SECRET-1")], model="secret-model", price_version="1", ttl_s=600,
            )  # fmt: skip
        for agent, points in (("agent:mason", -60), ("agent:wren", 35)):
            adjust_reputation(
                actor=tenant.actor("admin"), agent=agent, points=points, source="x", reason="A secret one."
            )
    return tenant


def _fill(tenant: TestTenant, number: int) -> None:
    """One more of what waits, is broken and is held."""
    ask(tenant, subject=f"task:SECRET-1.{number + 1}", title="secret merge", sha=f"{number:02x}" * 20)
    breach = Breach("command", "blocked", "secret command", "agent:mason", "run:1", f"secret:{number}")
    report_violation(actor=tenant.system(), breach=breach)
    draft_policy(
        actor=tenant.actor("admin"), text=f"{active_policy().text}# secret {number}\n", reason="A secret reason."
    )
    place_hold(actor=tenant.actor("admin"), kind="run", target=str(900 + number), reason="A secret reason.")


def row_of(tenant: TestTenant) -> Tenant:
    with platform_scope():
        row: Tenant = Tenant.objects.get(slug=tenant.slug)
    return row


@pytest.fixture(scope="module")
def owner(database: None) -> Member:
    return new_owner()


@pytest.fixture(scope="module")
def browser(owner: Member) -> Browser:
    return console(owner)


def test_owners_see_counts_and_alarms_until_what_was_approved_is_done(
    house: TestTenant, browser: Browser, owner: Member
) -> None:
    row = row_of(house)
    place = f"{PLACE}{row.pk}/governance"
    relay()
    consume(house.schema)
    first = shown(browser, "/admin/")
    assert f"{row.name}: 1 approval given and not executed" in first
    seen = shown(browser, f"{PLACE}governance/")
    assert "secret" not in seen.lower()
    [line] = [part for part in seen.split("<tr ") if f">{house.slug}<" in part]
    for words in ("1 alarming", "1 open", "1 used up", "version 1", "1 asked, 1 draft", "1 on"):
        assert words in line, words
    whole = shown(browser, f"{place}/")
    assert "secret" not in whole.lower()
    for words in (
        "Approved, not executed",
        "1 × denied command",
        "100 %",
        "agent:mason",
        "Restricted",
        "A run",
        "gh-chart",
    ):
        assert words in whole, words
    assert whole.index("agent:mason") < whole.index("agent:wren"), "restricted ones first"
    told = browser.get(f"{place}.json").json()["governance"]
    assert [(one["state"], one["alarmed"]) for one in told["approvals"]][:2] == [
        ("Approved, not executed", True), ("Waiting", False),
    ]  # fmt: skip
    listed = browser.get(f"{PLACE}governance.json").json()["organisations"]
    assert [one["governance"]["alarming"] for one in listed if one["slug"] == house.slug] == [1]
    read = recorded("platform", kind="tenancy.governance.read")
    assert (
        sum(
            found["actor"]["ref"] == f"owner:{owner.actor.id}" and house.slug in found["event"]["slugs"]
            for found in read
        )
        == 4
    )
    with tenant_scope(house.schema):
        number = next(one.number for one in detail().approvals if one.alarmed)
        record_outcome(actor=house.system(), approval=number, receipt={"merged_sha": "0c" * 20})
    relay()
    consume(house.schema)
    assert row.name not in shown(browser, "/admin/")


def test_an_organisation_costs_the_same_to_look_at_however_much_it_has(house: TestTenant) -> None:
    with tenant_scope(house.schema):
        asked = []
        overview()  # what is done once for a connection is done now
        for numbers in ((), range(1, 6)):
            for number in numbers:
                _fill(house, number)
            with CaptureQueriesContext(connection) as statements:
                overview()
                detail()
            asked.append(len(statements))
    assert asked[0] == asked[1] <= 16


def test_nobody_but_owners_looks(house: TestTenant) -> None:
    row, inside = row_of(house), signed_in(house, house.member("admin"))
    for path in ("governance/", "governance.json", f"{row.pk}/governance/", f"{row.pk}/trail/", f"{row.pk}/leave/"):
        assert inside.get(PLACE + path).status_code == 404
    with platform_scope():
        for actor in (house.actor("admin"), house.agent("developer", "mason"), house.system()):
            pretender = replace(actor, tenant=PLATFORM)
            with pytest.raises(Denied):
                look(actor=pretender, tenant=row, what="audit trail", asked={}, read=lambda inside: recent())
            if actor.kind != "system":
                with pytest.raises(Denied):
                    read_overviews(actor=pretender, tenants=[row])
                with pytest.raises(Denied):
                    open_support(actor=pretender, tenant=row, reason=WHY, hours=1)
    with tenant_scope(house.schema):
        assert recent(kinds=["tenancy.support.looked", "tenancy.support.opened"]) == []


def test_an_audit_trail_is_read_by_leave_that_is_short_and_told(
    house: TestTenant, browser: Browser, owner: Member
) -> None:
    row, other = row_of(house), console(new_owner())
    place, leave = f"{PLACE}{row.pk}/trail/", f"{PLACE}{row.pk}/leave/"
    for shut in (place, f"{place}export/?as=csv"):
        assert browser.get(shut)["Location"] == leave
    assert browser.submit(leave, {"reason": "short", "hours": "1"}).status_code == 422
    assert browser.submit(leave, {"reason": WHY, "hours": "9"}).status_code == 422
    assert browser.submit(leave, {"reason": WHY, "hours": "2"})["Location"] == place
    seen = shown(browser, f"{place}?kind=governance.violation.recorded&text=secret")
    assert "secret command" in seen
    assert "asked for approval" not in seen
    lines = b"".join(browser.get(f"{place}export/?as=jsonl&kind=governance.violation.recorded").streaming_content)  # type: ignore[attr-defined]
    assert {json.loads(line)["kind"] for line in lines.splitlines()} == {"governance.violation.recorded"}
    table = b"".join(browser.get(f"{place}export/?as=csv&outcome=done").streaming_content).decode()  # type: ignore[attr-defined]
    assert "secret command" in table
    for shut in (place, f"{place}export/?as=csv"):
        assert other.get(shut)["Location"] == leave, "leave is one owner's own"
    with tenant_scope(house.schema):
        told = recent(actor=f"owner:{owner.actor.id}")
    assert [one["kind"] for one in told] == ["tenancy.support.looked"] * 3 + ["tenancy.support.opened"]
    assert told[2]["event"]["asked"] == {"kind": "governance.violation.recorded", "text": "secret"}
    assert told[3]["reason"] == WHY
    assert len(recorded(row.ref, kind="tenancy.support.looked")) == 3
    with platform_scope(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tenants_supportgrant SET given_at = given_at - interval '3 hours', until = until - interval '3 hours'"
        )
    assert browser.get(place)["Location"] == leave, "its time is over"
    assert browser.submit(leave, {"reason": WHY, "hours": "1"})["Location"] == place
    assert browser.submit(f"{leave}end/", {}).status_code == 302
    assert browser.get(place)["Location"] == leave
    with platform_scope(), pytest.raises(Denied):
        look(actor=owner.actor, tenant=row, what="audit trail", asked={}, read=lambda inside: recent())
    assert recorded(row.ref)[0]["outcome"] == "denied"
