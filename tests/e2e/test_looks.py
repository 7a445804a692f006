"""The pages that people see every day, as `tests.e2e.looking` looks at them; and little to fetch at the first visit."""

from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from guildhall.kernel.tenancy import tenant_scope
from tests.e2e.conftest import Visitor
from tests.e2e.looking import look, signed_in
from tests.e2e.site import aside
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
    "changes": "/changes/",
    "change": "/changes/1/",
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
    "connections": "/settings/projects/TILL/connections/",
    "connect-repository": "/settings/repositories/connect/",
    "adjust": "/agents/mason/",
    "agent-form": "/agents/new/",
}
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
        page = signed_in(visitor, planned, role)
        found = [problem for name, path in pages.items() for problem in look(page, name, path)]
        assert found == [], role
        page.context.close()
    visitor.forgive(404, TEAM["missing"])


@pytest.mark.parametrize("path", ["/", "/stories/"])
def test_a_first_visit_fetches_little_and_only_from_here(told: World, visitor: Visitor, path: str) -> None:
    page = signed_in(visitor, told, "product_owner")
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
