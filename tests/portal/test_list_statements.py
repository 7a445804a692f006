"""Every list of the portal and of the API sends as many statements for many rows as for few, and no more than it should."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from governance.actions.money import reserve, settle
from governance.actions.policy_drafts import draft_policy
from governance.actions.release import hold_environment
from governance.actions.violations import Breach, report_violation
from governance.pricing import UnitPrices, Usage
from governance.scopes import Scope, ScopeKind
from governance.selectors import active_policy
from gpu_workers.actions.incidents import NewIncident, open_incident
from guildhall.kernel.tenancy import tenant_scope
from tests.api.test_lists import fill
from tests.support.clients import program, signed_in, tokens_of
from tests.support.tenants import TestTenant
from workflows.actions import create_story, open_sprint
from workflows.actions.labels import create_label, set_labels
from workflows.models import Epic, Project, Story, Task

pytestmark = pytest.mark.integration
ENDPOINT = "/api/v1/strategies/"
"""The full endpoint whose price `bench/overhead` measures: host, role, token, permission and the list itself."""
PAGES = [
    "/", "/waiting/", "/inbox/", "/approvals/", "/approvals/?show=waiting", "/strategies/", "/stories/",
    "/stories/?view=list", "/sprints/", "/runs/", "/councils/", "/decisions/", "/violations/", "/violations/?show=all",
    "/audit/?kind=governance.", "/agents/", "/costs/?period=all&by=story", "/costs/ledger/", "/costs/limits/",
    "/costs/reconciliations/", "/settings/policies/", "/settings/releases/", "/settings/projects/", "/settings/members/",
    "/settings/keys/", "/filters/", "/events/",
    "/incidents/", "/proposals/", "/changes/", "/changes/?state=open&project=SHOP",
]  # fmt: skip
API = [
    "violations/", "ledger/", "limits/", "budgets/", "costs/", "costs/days/", "reconciliations/", "policy/versions/",
    "policy/drafts/", "confidence/", "release-holds/", "holds/", "approvals/", "audit/", "agents/", "runs/", "changes/",
    "ci-runs/", "councils/", "repositories/", "stories/", "tasks/", "projects/", "strategies/", "epics/", "sprints/",
    "decisions/", "members/", "api-keys/", "invitations/", "sessions/", "consumers/", "dead-letters/",
    "incidents/", "proposals/", "changes/?project=SHOP",
]  # fmt: skip
MOST_OF_A_PAGE = 27
MOST_OF_A_LIST = 6


def more(tenant: TestTenant, count: int, start: int) -> None:
    """`count` rows more in each list that a person or an agent can fill."""
    with tenant_scope(tenant.schema):
        for number in range(start, start + count):
            environment = f"r{number}:main"
            hold_environment(
                actor=tenant.actor("devops"), kind="lock", environment=environment, reason="It moves house."
            )
    fill(tenant, count, start=start)
    with tenant_scope(tenant.schema):
        system, text = tenant.system(), active_policy().text
        for number in range(start, start + count):
            breach = Breach("command", "blocked", "Denied", f"agent:a{number}", f"run:{number}", f"call:{number}")
            report_violation(actor=system, breach=breach)
            draft_policy(actor=tenant.actor("architect"), text=f"{text}# {number}\n", reason="One of several drafts.")
            made = reserve(
                actor=tenant.agent("developer", f"a{number}"), key=f"call:{number}", amount=Decimal("0.01"),
                scopes=[Scope(ScopeKind.STORY, f"SHOP-{number}"), Scope(ScopeKind.RUN, str(number))],
                owner=f"run:{number}", model=f"model-{number}", price_version="1", ttl_s=60,
            )  # fmt: skip
            prices = UnitPrices(Decimal(1), Decimal(1), Decimal(1))
            settle(actor=system, reservation=made, usage=Usage(10, 10), cost=Decimal("0.001"), prices=prices)
            tenant.member("viewer", name=f"Viewer {number}")
            open_incident(
                actor=tenant.actor("devops"), new=NewIncident("SHOP", f"Incident {number}", ("till", "stock"))
            )


def test_a_sprint_and_an_epic_ask_the_same_however_many_stories_they_have(
    make_tenant: Callable[..., TestTenant],
) -> None:
    """Stories of every state that a closing looks at, with labels, tasks and costs."""
    tenant = make_tenant()
    browser = signed_in(tenant, tenant.member("product_owner"))
    fill(tenant, 1)
    owner, rows = tenant.actor("product_owner"), Story.objects.filter(title__startswith="Of it")
    with tenant_scope(tenant.schema):
        project, epic = Project.objects.get(key="SHOP"), Epic.objects.get()
        sprint = open_sprint(actor=owner, project=project, content={"name": "First"})
        label = create_label(actor=owner, name="one")
    pages = [f"/sprints/{sprint.pk}/", f"/epics/{epic.pk}/", f"/api/v1/sprints/{sprint.pk}/stories/"]
    asked = []
    for count in (3, 9):
        with tenant_scope(tenant.schema):
            for number in range(count):
                content: Any = {"title": f"Of it {number}"}
                story = create_story(actor=owner, project=project, content=content, epic=epic)
                set_labels(actor=owner, item=story, add=[label])
                state = ("accepted", "in_progress", "planned")[number % 3]
                Task.objects.create(
                    story=story, number=1, reference=f"{story.reference}.1", rank=1, title="Do it", role="data", size="S",
                    risk="low", state="cancelled" if state == "accepted" else "todo",
                )  # fmt: skip
                rows.filter(pk=story.pk).update(state=state, sprint=None if state == "planned" else sprint)
        asked.append([statements(browser, path) for path in pages])
    assert asked[0] == asked[1]


def statements(client: Client, path: str) -> int:
    client.get(path)  # what is cached per process is cached now
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200, path
    return len(asked)


def test_lists_ask_the_same_whatever_there_is(make_tenant: Callable[..., TestTenant]) -> None:
    tenant = make_tenant()
    browser = signed_in(tenant, tenant.member("admin"))
    api = program(tenant, tokens_of(tenant, tenant.member("admin"))["access"])
    paths = [*PAGES, *(f"/api/v1/{path}" for path in API)]
    more(tenant, 2, start=0)
    few = {path: statements(api if path.startswith("/api/") else browser, path) for path in paths}
    more(tenant, 5, start=2)
    many = {path: statements(api if path.startswith("/api/") else browser, path) for path in paths}
    grew = {path: (few[path], many[path]) for path in paths if many[path] > few[path]}
    assert grew == {}
    assert many[ENDPOINT] == 2
    over = {
        path: number
        for path, number in many.items()
        if number > (MOST_OF_A_LIST if path.startswith("/api/") else MOST_OF_A_PAGE)
    }
    assert over == {}, sorted(many.items(), key=lambda one: -one[1])
