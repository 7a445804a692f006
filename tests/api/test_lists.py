"""Lists: pages, filters and orders, and as many queries for many rows as for few."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.actions.approvals import request_approval
from gpu_workers.actions.registry import create_repository
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.models import Agent
from gpu_workers.models.run import RunKind
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.support.tenants import TestTenant
from workflows.actions import create_epic, create_project, create_story, create_strategy, propose_decision
from workflows.models import Project

pytestmark = pytest.mark.integration
LISTS = ["stories/", "tasks/", "projects/", "strategies/", "epics/", "sprints/", "decisions/", "approvals/", "budgets/",
         "holds/", "audit/", "agents/", "runs/", "ci-runs/", "changes/", "repositories/", "costs/"]  # fmt: skip


def fill(tenant: TestTenant, count: int, start: int = 0) -> None:
    """`count` rows in the lists that a person can fill."""
    with tenant_scope(tenant.schema):
        admin, owner = tenant.actor("admin"), tenant.actor("product_owner")
        shop = Project.objects.filter(key="SHOP").first() or create_project(
            actor=admin, key="SHOP", name="Shop", repository="shop", ci_command="true"
        )
        agent = Agent.objects.get(name="mason")
        for number in range(start, start + count):
            strategy = create_strategy(actor=owner, project=shop, goal=f"Goal {number}")
            epic = create_epic(actor=owner, project=shop, title=f"Epic {number}", strategy=strategy)
            create_story(actor=owner, project=shop, content={"title": f"Story {number}"}, epic=epic)
            create_project(actor=admin, key=f"P{number}", name="Other", repository="other", ci_command="true")
            create_repository(actor=admin, name=f"repo-{number}", ci_command="true", head_sha="0" * 40)
            propose_decision(actor=owner, kind="scope", title=f"Decision {number}", rationale="It is best.")
            new = NewRun(RunKind.WORK, f"task:SHOP-{number}.1", f"story:SHOP-{number}", "Work", f"claim {number}")
            queue_run(actor=tenant.system(), agent=agent, new=new)
            request_approval(
                actor=tenant.system(), kind="scope", subject=f"story:SHOP-{number}", title="May it?", risk="low",
                binding={"number": number},
            )  # fmt: skip


def queries_of(people: People, path: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        people.viewer.get(path)
    return len([query for query in seen.captured_queries if "set_config" not in query["sql"]])


def test_queries_do_not_grow_with_the_rows(tenant: TestTenant) -> None:
    people = People(tenant)
    fill(tenant, 1)
    people.viewer.get("me/")
    few = {path: queries_of(people, path) for path in LISTS}
    fill(tenant, 7, start=1)
    assert {path: queries_of(people, path) for path in LISTS} == few
    assert max(few.values()) <= 8


def test_pages_follow_each_other_without_gap_or_double(tenant: TestTenant) -> None:
    people = People(tenant)
    fill(tenant, 5)
    for ordering in ("-created_at", "created_at", "dor_score", "-changed_at"):
        found: list[str] = []
        page = people.viewer.get("stories/", page_size=2, ordering=ordering)
        while True:
            found += [story["reference"] for story in page["results"]]
            if page["next"] is None:
                break
            page = people.viewer.get(f"stories/{page['next'][page['next'].index('?') :]}")
        assert sorted(found) == [f"SHOP-{number}" for number in range(1, 6)], ordering


def test_filters_narrow(tenant: TestTenant) -> None:
    people = People(tenant)
    fill(tenant, 3)
    people.product_owner.post("stories/SHOP-2/transitions/", {"name": "submit"})

    def names(path: str, key: str = "reference", **query: Any) -> list[Any]:
        return [row[key] for row in people.viewer.get(path, **query)["results"]]

    assert names("stories/", state="po_review") == ["SHOP-2"]
    assert names("stories/", q="story 1") == ["SHOP-2"]
    assert names("stories/", q="shop-3") == ["SHOP-3"]
    assert names("stories/", q="1 stories") == ["SHOP-2"], "by the index: words in any order and form"
    assert names("stories/", q="shop-3", search="story") == ["SHOP-3"], "each of the two narrows"
    assert names("stories/", q="shop-3", search="1") == []
    assert names("stories/", project="P1") == []
    assert names("approvals/", key="subject", subject="story:SHOP-1") == ["story:SHOP-1"]
    assert names("runs/", key="subject", story="story:SHOP-0") == ["task:SHOP-0.1"]


def test_a_kill_switch_is_placed_seen_and_lifted(tenant: TestTenant) -> None:
    people = People(tenant)
    hold = {"kind": "agent", "target": "agent:mason", "reason": "It writes to the wrong files."}
    people.developer.post("holds/", hold, status=403)
    placed = people.devops.post("holds/", hold, status=201)
    people.devops.post("holds/", hold, status=409)
    assert [row["target"] for row in people.viewer.get("holds/")["results"]] == ["agent:mason"]
    people.devops.send("DELETE", f"holds/{placed['id']}/", "", 204)
    assert people.viewer.get("holds/")["results"] == []
    people.devops.send("DELETE", f"holds/{placed['id']}/", "", 404)


def test_an_admin_sets_a_limit_and_everybody_sees_it(tenant: TestTenant) -> None:
    people = People(tenant)
    limit = {"scope_kind": "tenant", "window": "day", "amount": "7.25"}
    people.product_owner.send("PUT", "budgets/", limit, 403)
    people.admin.send("PUT", "budgets/", limit)
    day = next(row for row in people.viewer.get("budgets/") if (row["scope_kind"], row["window"]) == ("tenant", "day"))
    assert (day["limit"], day["left"]) == ("7.2500000000", "7.2500000000")
    gone = "budgets/?scope_kind=tenant&window=day"
    people.product_owner.send("DELETE", gone, "", 403)
    people.admin.send("DELETE", gone, "", 204)
    people.admin.send("DELETE", gone, "", 404)
    left = [row["window"] for row in people.viewer.get("budgets/") if row["scope_kind"] == "tenant"]
    assert left == ["hour"]
