"""What each door answers to what it cannot take: the right status, the reason, and never a 500."""

from collections.abc import Callable
from typing import Any

import pytest

from guildhall.kernel.tenancy import tenant_scope
from tenants.models import Membership
from tests.api.people import People
from tests.support.clients import signed_in
from tests.support.tenants import TestTenant
from workflows.actions import create_project, create_story
from workflows.models import Story

pytestmark = pytest.mark.integration
REFUSED = {"decision": "approve", "binding_hash": "0" * 64}


def with_story(tenant: TestTenant, title: str = "Pay by card", **content: Any) -> People:
    """A tenant's people, with the story SHOP-1."""
    with tenant_scope(tenant.schema):
        author = tenant.actor("developer")
        project = create_project(
            actor=tenant.actor("admin"), key="SHOP", name="Shop", repository="shop", ci_command="true", client="acme"
        )
        create_story(actor=author, project=project, content={"title": title, **content})  # type: ignore[typeddict-item]
    return People(tenant)


@pytest.fixture(scope="module")
def people(make_tenant: Callable[..., TestTenant]) -> People:
    return with_story(make_tenant())


BAD = [
    ("POST", "stories/SHOP-1/transitions/", {"name": "fly"}, 422, "action"),
    ("POST", "stories/SHOP-1/transitions/", {"name": "submit", "reopen": ["x"]}, 422, "reopen.0"),
    ("POST", "stories/SHOP-1/transitions/", {"name": "submit", "speed": 3}, 422, "speed"),
    ("POST", "stories/SHOP-1/transitions/", {"name": "approve_scope"}, 409, ""),
    ("POST", "stories/SHOP-1/transitions/", {"name": "submit", "version": 99}, 412, ""),
    ("POST", "stories/SHOP-1/transitions/", "{not json", 400, ""),
    ("POST", "stories/SHOP-1/transitions/", "[" * 100_000, 400, ""),
    ("POST", "stories/SHOP-1/transitions/", {"name": "sub\0mit"}, 422, "body"),
    ("POST", "stories/SHOP-1/transitions/", '{"name": "\\ud800"}', 422, "body"),
    ("POST", "stories/SHOP-1/transitions/", "[]", 422, "non_field_errors"),
    ("POST", "stories/", {"project": "SHOP", "title": "x" * 201}, 422, "title"),
    ("POST", "stories/", {"project": "SHOP", "title": "Dear", "budget_usd": "-1"}, 422, "budget_usd"),
    ("POST", "stories/", {"project": "SHOP", "title": "Dear", "budget_usd": "NaN"}, 422, "budget_usd"),
    ("POST", "stories/", {"project": "NOPE", "title": "Lost"}, 404, ""),
    ("POST", "stories/", {"project": "SHOP", "title": "Big", "brief": "x" * 3_000_000}, 413, ""),
    ("PATCH", "stories/SHOP-1/", {"title": "Unseen"}, 428, ""),
    ("POST", "stories/SHOP-9/transitions/", {"name": "submit"}, 404, ""),
    ("POST", "approvals/77/decision/", REFUSED, 404, ""),
    ("POST", "runs/77/cancel/", {"reason": "It goes nowhere."}, 404, ""),
    ("POST", "runs/999999999999999999999/cancel/", {"reason": "It goes nowhere."}, 404, ""),
    ("POST", "holds/", {"kind": "agent", "reason": "Stop it now."}, 422, "target"),
    ("PUT", "budgets/", {"scope_kind": "tenant", "window": "day", "amount": "1e400"}, 422, "amount"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "field"), BAD)
def test_bad_input_is_refused_with_its_reason(
    people: People, method: str, path: str, body: Any, status: int, field: str
) -> None:
    problem = people.product_owner.send(method, path, body, status)
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["type"].startswith("urn:guildhall:problem:")
    if field:
        assert field in problem["fields"]
    assert people.viewer.get("stories/SHOP-1/")["version"] == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("stories/?cursor=nonsense", 404),
        ("stories/?cursor=cD1ub3RhZGF0ZQ==", 422),
        ("stories/?ordering=secret", 422),
        ("stories/?state=lost", 422),
        ("stories/?q=%00", 422),
        ("tasks/?pending_for=king", 422),
        ("costs/?by=mood", 422),
        ("costs/?since=yesterday", 422),
        ("audit/?before=0", 422),
        ("runs/?state=sleeping", 422),
        ("stories/shop-1/", 404),
        ("stories/SHOP-1%00/", 404),
        ("agents/nobody/", 404),
    ],
)
def test_bad_queries_are_refused(people: People, path: str, status: int) -> None:
    people.viewer.get(path, status)


@pytest.mark.parametrize("kind", ["run", "strategy"])
def test_what_has_an_endless_number_is_not_there(people: People, kind: str) -> None:
    browser = signed_in(people.tenant, people.tenant.member("product_owner"))
    assert browser.get(f"/pause/?on={kind}:{'9' * 5000}").status_code == 404


def test_a_role_that_may_not_is_told_who_may(people: People) -> None:
    problem = people.viewer.post("stories/SHOP-1/transitions/", {"name": "submit"}, status=403)
    assert "product owner" in problem["detail"]
    denied = people.admin.get("audit/", outcome="denied", subject="story:SHOP-1")[0]
    assert (denied["action"], denied["outcome"]) == ("story.submit", "denied")


def test_a_lost_update_answers_412_and_changes_nothing(tenant: TestTenant) -> None:
    people = with_story(tenant)
    etag = people.developer.client.get("/api/v1/stories/SHOP-1/")["ETag"]
    first = people.developer.answer("PATCH", "stories/SHOP-1/", {"title": "Mine first"}, if_match=etag)
    assert (first.status_code, first["ETag"]) == (200, '"v2"')
    people.architect.send("PATCH", "stories/SHOP-1/", {"title": "Mine second"}, 412, if_match=etag)
    assert people.viewer.get("stories/SHOP-1/")["title"] == "Mine first"
    people.architect.send("PATCH", "stories/SHOP-1/", {"title": "Mine"}, 422, if_match="v2")


def test_the_same_reference_in_another_tenant_is_another_story(tenant: TestTenant, other_tenant: TestTenant) -> None:
    here, there = with_story(tenant, "Ours"), with_story(other_tenant, "Theirs")
    with tenant_scope(other_tenant.schema):
        project = Story.objects.get().project
        create_story(actor=other_tenant.actor("developer"), project=project, content={"title": "Only theirs"})
    assert here.viewer.get("stories/SHOP-1/")["title"] == "Ours"
    assert there.viewer.get("stories/SHOP-1/")["title"] == "Theirs"
    here.viewer.get("stories/SHOP-2/", status=404)
    here.product_owner.post("stories/SHOP-2/transitions/", {"name": "submit"}, status=404)
    foreign = there.viewer.client.get("/api/v1/stories/", HTTP_HOST=tenant.host)
    assert foreign.status_code == 401


def test_a_client_sees_what_is_marked_visible_of_its_own_projects(tenant: TestTenant) -> None:
    people = with_story(tenant, "For the client", client_visible=True, business_notes="They pay late.", evidence="Log")
    with tenant_scope(tenant.schema):
        project = Story.objects.get().project
        create_story(actor=tenant.actor("developer"), project=project, content={"title": "Internal"})
        client = tenant.member("client")
        Membership.objects.filter(roles=["client"]).update(client="acme")
    caller = People(tenant).client
    assert client.actor.roles == {"client"}
    assert [story["reference"] for story in caller.get("stories/")["results"]] == ["SHOP-1"]
    seen = caller.get("stories/SHOP-1/")
    assert (seen["title"], seen["business_notes"], seen["evidence"], seen["budget_usd"]) == (
        "For the client",
        "",
        "",
        None,
    )
    caller.get("stories/SHOP-2/", status=404)
    caller.post("stories/SHOP-2/transitions/", {"name": "submit"}, status=404)
    for path in ("costs/", "budgets/", "audit/", "policy/", "holds/"):
        caller.get(path, status=403)
    for path in ("runs/", "changes/", "agents/", "ci-runs/", "repositories/", "strategies/", "epics/", "decisions/"):
        assert caller.get(path)["results"] == []
    assert people.viewer.get("stories/SHOP-2/")["title"] == "Internal"
