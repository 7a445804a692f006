"""Every page: nothing that axe calls serious on a wide light screen and on a dark phone, nothing that sticks out sideways,
and little to fetch at the first visit.

With GUILDHALL_SHOTS set to a folder, a picture of each is put there to be looked at.
"""

import os
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from guildhall.kernel.tenancy import tenant_scope
from tests.e2e.conftest import SIZES, Visitor
from tests.e2e.site import aside
from tests.support.tenants import Member
from tests.support.world import World
from workflows.actions.decisions import propose_decision
from workflows.actions.epics import create_epic
from workflows.actions.strategies import create_strategy

pytestmark = pytest.mark.e2e
TEAM = {
    "dashboard": "/",
    "waiting": "/waiting/",
    "inbox": "/inbox/",
    "approvals": "/approvals/",
    "approval": "/approvals/1/",
    "approvals-decided": "/approvals/?show=decided",
    "strategies": "/strategies/",
    "strategy": "/strategies/1/",
    "strategy-form": "/strategies/new/",
    "schedule": "/strategies/1/schedule/",
    "epic": "/epics/1/",
    "board": "/stories/",
    "list": "/stories/?view=list",
    "story-form": "/stories/new/",
    "story": "/stories/TILL-1/",
    "task": "/tasks/TILL-1.1/",
    "sprints": "/sprints/",
    "sprint": "/sprints/1/",
    "runs": "/runs/",
    "run": "/runs/2/",
    "councils": "/councils/",
    "council-form": "/stories/TILL-1/council/",
    "decisions": "/decisions/",
    "decision": "/decisions/1/",
    "pause": "/pause/",
    "audit": "/audit/",
    "costs": "/costs/?period=all&by=story",
    "ledger": "/costs/ledger/",
    "limits": "/costs/limits/",
    "comparisons": "/costs/reconciliations/",
    "agents": "/agents/",
    "agent": "/agents/mason/",
    "filters": "/filters/",
    "projects": "/settings/projects/",
    "project": "/settings/projects/TILL/",
    "project-form": "/settings/projects/new/",
    "policies": "/settings/policies/",
    "policy-editor": "/settings/policies/new/",
    "policy-version": "/settings/policies/versions/1/",
    "keys": "/settings/keys/",
    "organisations": "/organisations/",
    "security": "/account/security/",
    "missing": "/stories/TILL-999/",
}
CLIENT = {"client-dashboard": "/", "client-board": "/stories/"}
ADMIN = {
    "events": "/events/",
    "consumer": "/events/workflows.rollup/",
    "members": "/settings/members/",
    "set-limit": "/costs/limits/",
    "adjust": "/agents/mason/",
}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DARK_AND_NARROW = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]
BRIEFLY = {"resultTypes": ["violations"], "preload": False}
SERIOUS = """async options => (await axe.run(document, options)).violations
    .filter(rule => ["serious", "critical"].includes(rule.impact))
    .map(rule => rule.id + " " + rule.nodes[0].html.slice(0, 160))"""
WIDE, PHONE = 1440, 390
FIRST_LOAD = 200_000
"""Bytes over the wire, fonts and headers included."""


@pytest.fixture(scope="module")
def planned(told: World) -> World:
    """With a strategy, an epic and a decision beside the story that waits."""

    def plan() -> None:
        with tenant_scope(told.tenant.schema):
            who, project = told.owner, told.project
            strategy = create_strategy(actor=who, project=project, goal="Right to the penny.", budget_usd=Decimal(5))
            create_epic(actor=who, project=project, title="Receipts", strategy=strategy)
            other = {"title": "Round the sum", "why_not": "It loses pennies."}
            why = "As the law has it."
            propose_decision(actor=who, kind="design", title="Round each line", rationale=why, alternatives=[other])

    aside(plan)
    return told


def test_pages_are_accessible_and_fit(planned: World, visitor: Visitor) -> None:
    for role, pages in {"product_owner": TEAM, "client": CLIENT, "admin": ADMIN}.items():
        page = _signed_in(visitor, planned, role)
        found = [problem for name, path in pages.items() for problem in _look(page, name, path)]
        assert found == [], role
        page.context.close()
    visitor.complaints[:] = [text for text in visitor.complaints if "404" not in text]


def _signed_in(visitor: Visitor, world: World, role: str) -> Page:
    def member() -> Member:
        return world.tenant.member(role)

    return visitor.signed_in(world.tenant, aside(member))


def _look(page: Page, name: str, path: str) -> list[str]:
    """What is wrong with a page: everything on a wide light screen, then what darkness and a narrow screen can spoil."""
    page.set_viewport_size({"width": WIDE, "height": SIZES[WIDE]})
    page.goto(path)
    return _as_it_is(page, name)


def _as_it_is(page: Page, name: str) -> list[str]:
    """The same of the page that is open."""
    page.set_viewport_size({"width": WIDE, "height": SIZES[WIDE]})
    page.wait_for_function("document.fonts.status === 'loaded'")
    page.evaluate(AXE_SCRIPT)
    found = [*_sticks_out(page, f"{name}-light", WIDE), *_serious(page, name, RULES)]
    page.evaluate("document.documentElement.setAttribute('data-bs-theme', 'dark')")
    page.evaluate("document.documentElement.classList.add('dark')")  # as the console's skin says it
    found += [*_sticks_out(page, f"{name}-dark", 1024), *_sticks_out(page, f"{name}-dark", PHONE)]
    return [*found, *_serious(page, f"{name}, dark", DARK_AND_NARROW)]


def _serious(page: Page, name: str, rules: list[str]) -> list[str]:
    return [f"{name}: {problem}" for problem in page.evaluate(SERIOUS, {"runOnly": rules, **BRIEFLY})]


def _sticks_out(page: Page, name: str, width: int) -> list[str]:
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    _keep(page, f"{name}-{width}")
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{name}: sticks out by {over} px of {width}"] if over > 0 else []


@pytest.mark.parametrize("path", ["/", "/stories/"])
def test_a_first_visit_fetches_little_and_only_from_here(told: World, visitor: Visitor, path: str) -> None:
    page = _signed_in(visitor, told, "product_owner")
    wire = page.context.new_cdp_session(page)
    fetched: dict[str, int] = {}
    hosts: set[str | None] = set()
    wire.on("Network.loadingFinished", lambda event: fetched.update({event["requestId"]: event["encodedDataLength"]}))
    wire.on("Network.requestWillBeSent", lambda event: hosts.add(urlsplit(event["request"]["url"]).hostname))
    wire.send("Network.enable")
    wire.send("Network.clearBrowserCache")
    answer = page.goto(path, wait_until="networkidle")
    assert answer is not None
    assert hosts - {None} == {told.tenant.host}
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert len(fetched) > 8
    assert sum(fetched.values()) < FIRST_LOAD, fetched


def _keep(page: Page, name: str) -> None:
    folder = os.environ.get("GUILDHALL_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
