"""A tenant with 20,000 stories: every page and list asks a fixed number of bounded questions that an index answers."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gpu_workers.knowing.recall import recall
from gpu_workers.knowing.scope import sees
from guildhall.kernel.tenancy import tenant_scope
from tenants.actions.keys import create_api_key
from tests.support.clients import Browser, signed_in
from tests.support.many import many_stories
from tests.support.tenants import TestTenant
from workflows.actions import create_epic, open_sprint
from workflows.actions.labels import create_label
from workflows.models import Project, Story
from workflows.selectors.knowing import Place
from workflows.web.export import PIECE

pytestmark = pytest.mark.integration
STORIES = 20_000
MOST_ROWS = 400
MOST_BYTES = 600_000
BIG = {"workflows_story", "workflows_task"}

BUDGETS = {
    "/stories/": 26,
    "/stories/?state=draft&lane=draft&depth=3": 26,
    "/stories/?view=list": 28,
    "/stories/?view=list&page=40": 28,
    "/stories/?view=list&sort=title": 28,
    "/stories/?view=list&sort=-ready": 28,
    "/stories/?view=list&text=customs+duties": 28,
    "/stories/?show=mine": 28,
    "/stories/?view=list&show=working": 28,
    "/stories/?view=list&state=done&priority=high": 28,
    "/stories/?view=list&label=1": 28,
    "/stories/?view=list&sprint=1": 28,
    "/stories/?view=list&epic=1": 28,
    "/waiting/": 28,
    "/inbox/": 14,
    "/decisions/?q=customs": 14,
    "/stories/SHOP-400/": 50,
    "/tasks/SHOP-400.1/": 46,
    "/palette/?q=customs": 14,
    "/palette/?q=SHOP-17": 12,
    "/": 32,
    "/api/v1/stories/": 6,
    "/api/v1/stories/?state=po_review&page_size=200": 6,
    "/api/v1/stories/?search=customs": 6,
    "/api/v1/stories/?q=customs": 6,
    "/api/v1/decisions/?q=customs": 6,
    "/api/v1/tasks/": 6,
    "/api/v1/tasks/?pending_for=qa": 6,
}
"""Statements that a page may send, whatever the number of stories."""


class House:
    def __init__(self, tenant: TestTenant) -> None:
        many_stories(tenant, STORIES)
        self.tenant = tenant
        self._group()
        owner = tenant.member("product_owner")
        self.browser: Browser = signed_in(tenant, owner)
        with tenant_scope(tenant.schema):
            _, key = create_api_key(actor=owner.actor, name="many", scopes=["api:read"], days=1)
        self.program = Client(HTTP_HOST=tenant.host, HTTP_AUTHORIZATION=f"Bearer {key}")

    def _group(self) -> None:
        """A label, an epic and a sprint with some of the stories each: the first of each, whose id is 1."""
        owner = self.tenant.actor("product_owner")
        with tenant_scope(self.tenant.schema):
            project, some = Project.objects.get(), Story.objects.filter(number__lte=300)
            label = create_label(actor=owner, name="customs")
            epic = create_epic(actor=owner, project=project, title="Customs")
            sprint = open_sprint(actor=owner, project=project, content={"name": "First"})
            label.stories.add(*some)
            some.update(epic=epic, sprint=sprint)
            assert label.pk == epic.pk == sprint.pk == 1

    def ask(self, path: str) -> tuple[Any, list[str]]:
        """The answer to GET `path`, and the statements that it took."""
        client = self.program if path.startswith("/api/") else self.browser
        client.get(path)  # what is cached per process is cached now
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(path)
        return answer, [str(query["sql"]) for query in captured.captured_queries]

    def plan(self, statement: str) -> dict[str, Any]:
        """How the database carried a statement out."""
        with tenant_scope(self.tenant.schema), connection.cursor() as cursor:
            cursor.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statement.replace("%", "%%"), [])
            found = cursor.fetchone()[0]
        plans = json.loads(found) if isinstance(found, str) else found
        plan: dict[str, Any] = plans[0]["Plan"]
        return plan


@pytest.fixture(scope="module")
def house(make_tenant: Callable[..., TestTenant]) -> House:
    return House(make_tenant())


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def test_every_page_asks_a_fixed_number_of_bounded_questions_by_index(house: House) -> None:
    wrong = []
    for path, budget in BUDGETS.items():
        answer, statements = house.ask(path)
        assert answer.status_code == 200, path
        if len(statements) > budget:
            wrong.append(f"{path} sends {len(statements)} statements, not {budget}")
        if len(answer.content) > MOST_BYTES:
            wrong.append(f"{path} is {len(answer.content)} bytes long")
        wrong += [f"{path}: {problem}" for statement in statements for problem in problems(house, statement)]
    assert wrong == []


def test_an_export_of_everything_reads_by_the_index_piece_by_piece(house: House) -> None:
    with CaptureQueriesContext(connection) as captured:
        answer = house.browser.get("/stories/export/?as=csv")
        assert b"".join(answer.streaming_content).count(b"SHOP-") == STORIES  # type: ignore[attr-defined]
    reading = [query["sql"] for query in captured.captured_queries if '"workflows_story"."brief"' in query["sql"]]
    assert len(reading) == STORIES // PIECE + 1
    found = [problem for statement in (reading[0], reading[-2]) for problem in problems(house, statement, PIECE)]
    assert found == []


def test_what_agents_ask_for_is_found_by_the_index_whatever_there_is(house: House) -> None:
    planner, place = house.tenant.agent("planner", "heron"), Place("SHOP", "SHOP-400", "SHOP-400.1")
    with tenant_scope(house.tenant.schema), CaptureQueriesContext(connection) as captured:
        found = recall(planner, place, sees("planner"), "harbour customs")
    assert {one.passage.ref for one in found if "harbour" in one.words} == {
        f"story:SHOP-{n}" for n in range(4001, STORIES, 4000)
    }
    asked = [str(one["sql"]) for one in captured.captured_queries if "set_config('search_path'" not in str(one["sql"])]
    assert len(asked) <= 11
    wrong = [problem for sql in asked for problem in problems(house, sql)]
    assert wrong == []


def problems(house: House, statement: str, most: int = MOST_ROWS) -> Iterator[str]:
    """What is wrong with how a statement that reads stories or tasks is carried out."""
    if not statement.startswith("SELECT") or not any(f'"{table}"' in statement for table in BIG):
        return
    plan = house.plan(statement)
    if plan["Actual Rows"] > most:
        yield f"{plan['Actual Rows']} rows: {statement[:300]}"
    if "COUNT(" in statement:
        return  # a number over all of them looks at all of them
    for node in nodes(plan):
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG and node["Actual Loops"]:
            yield f"Seq Scan over {node['Relation Name']}: {statement[-500:]}"
