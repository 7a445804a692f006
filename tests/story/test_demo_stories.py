"""The demo's two stories on the packaged model: one that it can do, and a code fix that ends with a person, money whole."""

from decimal import Decimal
from typing import Any

import pytest

from governance.scopes import ScopeKind
from governance.selectors import active_policy, budgets, entries_of, spend_of
from gpu_workers.models import ChangeRequest, RunStep
from gpu_workers.models.run import RunState
from guildhall.demo.seeding import PROJECTS
from guildhall.kernel.tenancy import tenant_scope
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of
from workflows.models import Story

pytestmark = pytest.mark.e2e

FACTS = (
    "within 30 days of delivery",
    "free with the label in the parcel",
    "within 5 working days of receiving the item",
)
"""Of the policy on returns; the handbook's own checks name none of them."""


def begun(tenant: TestTenant, key: str) -> tuple[World, Story]:
    """The demo's project with its story, taken as far as agents take it with one attempt to mend what CI refuses."""
    _, _, repository, ci, content = next(row for row in PROJECTS if row[0] == key)
    world = World.build(tenant, key, files_of(DEMO / repository), ci)
    with tenant_scope(tenant.schema):
        put_policy(tenant, active_policy().text.replace("fixer_rounds: 3", "fixer_rounds: 1"))
    given: dict[str, Any] = {**content}
    story = world.story(**given)
    world.settle()
    return world, story


def test_the_answer_about_returns_is_merged_whole(tenant: TestTenant, small_model: object) -> None:
    checks = "".join(text.decode() for path, text in files_of(DEMO / "handbook").items() if path.startswith("ci/"))
    assert not any(fact in checks for fact in FACTS)
    world, story = begun(tenant, "SHOP")
    before = world.text("docs/faq.md")
    approval = world.approval(world.task(story))
    assert approval is not None, world.told()
    world.approve(approval)
    world.settle()
    merged = world.text("docs/faq.md")
    assert merged.startswith(before.rstrip())
    new = " ".join(merged.removeprefix(before.rstrip()).split())
    assert [fact for fact in FACTS if fact not in new] == []
    assert "Personalised" not in new, "nobody asked for it"


def test_a_fix_beyond_the_model_is_given_up_with_its_evidence_and_within_its_budget(
    tenant: TestTenant, small_model: object
) -> None:
    world, story = begun(tenant, "TILL")
    [work] = [run for run in world.runs() if run.kind == "work"]
    assert work.state == RunState.ESCALATED, world.told()
    with tenant_scope(tenant.schema):
        ran = work.steps.filter(kind="ci").exists()
    said = "CI is still red after 1 attempt to fix it." if ran else "CI never ran, in 2 attempts: Nothing was changed"
    assert (work.round, work.reason.startswith(said)) == (1, True), work.reason
    task = world.task(story)
    assert (task.state, task.holder) == ("todo", ""), "a person can take it"
    assert world.approval(task) is None
    with tenant_scope(tenant.schema):
        assert not ChangeRequest.objects.exists()
        steps = list(work.steps.order_by("id"))
        asked = [step for step in steps if step.kind == "model"]
        assert asked
        assert all(step.request["messages"] for step in asked), "what it was asked is kept"
        assert all(step.response for step in asked), "and what it answered"
        assert work.outcome["last_problem"]
        [budget] = budgets(kind=ScopeKind.STORY, scope_id=story.reference)
        spent = spend_of("story", story.reference).spent
        assert Decimal(0) < budget.spent <= budget.limit == story.budget_usd
        assert budget.spent == spent
        calls = RunStep.objects.filter(kind="model")
        assert spend_of("cost_kind", "model").spent == sum((step.cost for step in calls), Decimal(0)), "each once"
        assert [view for view in budgets() if view.reserved] == [], "nothing is left set aside"
        assert sum(line.reserved_delta for line in entries_of("story", story.reference)) == 0
