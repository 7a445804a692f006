"""Pages that people seldom see, and those of other roles: refusals, forms that came back, dead letters, a council that was
stopped, the owner's console. The same rules as for all pages; see `looking`."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page

from guildhall.evidence.models import DeadLetter
from guildhall.fleet.models import Stop
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.models import Tenant
from tests.e2e.conftest import Visitor
from tests.e2e.looking import as_it_is, look, signed_in
from tests.e2e.site import aside
from tests.support.console import new_owner
from tests.support.world import World
from workflows.actions import create_epic, create_story, edit_story
from workflows.actions.councils import convene_council, stop_council
from workflows.councils import Chair

pytestmark = pytest.mark.e2e
READERS = {
    "dashboard": "/",
    "board": "/stories/",
    "story": "/stories/TILL-1/",
    "task": "/tasks/TILL-1.1/",
    "waiting": "/waiting/",
    "sprint": "/sprints/1/",
}
ARCHITECT = {**READERS, "epic-order": "/epics/1/", "stopped-council": "/councils/1/"}
VIEWER = {**READERS, "not-allowed": "/events/", "nowhere": "/nowhere/"}
ADMIN = {
    "events-letters": "/events/",
    "letters": "/events/workflows.rollup/",
    "letter": "/events/workflows.rollup/1/",
    "replay": "/events/workflows.rollup/replay/",
}
OWNER = {
    "console": "/admin/",
    "console-tenants": "/admin/tenants/tenant/",
    "console-tenant-add": "/admin/tenants/tenant/add/",
    "console-archives": "/admin/tenants/tenantarchive/",
    "console-people": "/admin/tenants/user/",
    "console-hosts": "/admin/tenants/domain/",
    "console-deployments": "/admin/gateway/deployment/",
    "console-engines": "/admin/gateway/deployment/engines/",
    "console-deployment-add": "/admin/gateway/deployment/add/",
    "console-prices": "/admin/gateway/price/",
    "console-routes": "/admin/gateway/route/",
    "console-figures": "/admin/tenants/tenant/figures/",
    "console-governance": "/admin/tenants/tenant/governance/",
    "console-holds": "/admin/gateway/platformhold/",
    "console-fleet": "/admin/fleet/stop/board/",
    "console-stops": "/admin/fleet/stop/",
    "console-fleet-stop": "/admin/fleet/stop/add/?part=queue&name=agents",
    "console-audit": "/admin/audit/",
    "console-streams": "/admin/streams/",
}


@pytest.fixture(scope="module")
def seldom(told: World) -> World:
    """With an epic of three stories, a council that was stopped, an event that a consumer gave up, and a drained worker."""

    def make() -> None:
        tenant, owner = told.tenant, told.owner
        with tenant_scope(tenant.schema):
            epic = create_epic(actor=owner, project=told.project, title="Receipts")
            create_epic(actor=owner, project=told.project, title="Refunds")
            made: list[Any] = [
                create_story(actor=owner, project=told.project, content={"title": title})
                for title in ("Print the VAT", "Send it by mail", "Keep it for ten years")
            ]
            for story in made:
                edit_story(actor=owner, story=story, content={}, place={"epic": epic})
            seats = [Chair(f"agent:{name}", name, "qa") for name in ("alder", "mason", "wren")]
            council = convene_council(
                actor=owner, story=made[0], subject="plan", question="By line or by sum?", seats=seats
            )
            stop_council(actor=tenant.system(), council=council, reason="Two of three proposals never came.")
            DeadLetter.objects.create(
                tenant=tenant.schema, consumer="workflows.rollup", position=1, error="ValueError: no such task"
            )
        with platform_scope():
            reason = "The provider moves the machines to another hall tonight, and those who run them cannot be asked."
            words = {
                "part": "worker",
                "name": "agents@north",
                "ordered_by": "owner:elsewhere",
                "ended_by": "owner:elsewhere",
            }
            Stop.objects.create(reason=reason, ended_at=datetime.now(UTC), **words)

    aside(make)
    return told


def test_what_other_roles_see_and_what_goes_wrong_is_as_good_as_the_rest(seldom: World, visitor: Visitor) -> None:
    found = []
    for role, pages in {"viewer": VIEWER, "architect": ARCHITECT, "admin": ADMIN}.items():
        page = signed_in(visitor, seldom, role)
        found += [problem for name, path in pages.items() for problem in look(page, f"{role}-{name}", path)]
        page.context.close()
    page = signed_in(visitor, seldom, "product_owner")
    found += _came_back(page)
    visitor.complaints[:] = [text for text in visitor.complaints if "status of 4" not in text]
    assert found == []


def _came_back(page: Page) -> list[str]:
    """Forms with errors beside their causes."""
    found = []
    for name, path, fields in (
        ("strategy", "/strategies/new/", {"goal": "Right to the penny.", "budget_usd": "a lot"}),
        ("story", "/stories/new/", {"title": " ", "budget_usd": "-1"}),
    ):
        page.goto(path)
        for field, value in fields.items():
            page.fill(f"[name={field}]", value)
        page.evaluate("document.querySelector('main form').noValidate = true")
        with page.expect_navigation():
            page.locator("main form button[type=submit], main form button:not([type])").last.click()
        page.locator(".is-invalid, [aria-invalid=true]").first.wait_for()
        found += as_it_is(page, f"{name}-came-back")
    return found


def test_the_owners_console_is_as_good_as_the_portal(seldom: World, visitor: Visitor) -> None:
    owner = aside(new_owner)
    page = visitor.open(settings.PUBLIC_HOST)
    page.goto("/sign-in/")
    page.fill("input[name=email]", owner.email)
    page.fill("input[name=password]", owner.password)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
    mine = f"/admin/tenants/tenant/{aside(lambda: _number_of(seldom))}/"
    own = {"console-organisation": f"{mine}governance/", "console-leave": f"{mine}leave/"}
    found = [problem for name, path in {**OWNER, **own}.items() for problem in look(page, name, path)]
    page.goto(own["console-leave"])
    page.fill("[name=reason]", "They asked why a merge is stuck.")
    page.locator("main form button[type=submit], form:has([name=reason]) button").last.click()
    page.wait_for_url("**/trail/")
    found += as_it_is(page, "console-trail")
    assert found == []


def _number_of(world: World) -> int:
    with platform_scope():
        return int(Tenant.objects.values_list("pk", flat=True).get(schema_name=world.tenant.schema))
