"""Documentation stories on the packaged model: merged text, or escalation, checked against facts that no run saw as a test."""

import re
from collections.abc import Iterator

import pytest
from django.test import override_settings

from gateway.models import Price
from gpu_workers.models.run import RunState
from gpu_workers.tests.stories import CHECK, IMPOSSIBLE, STORIES, Story
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.support.engine import KEY
from tests.support.tenants import TestTenant
from tests.support.world import World, point_routes_at
from workflows.models import Story as StoryRow

pytestmark = pytest.mark.e2e
LocalModel = tuple[str, str]


@pytest.fixture
def small_model(database: None, local_model: LocalModel) -> Iterator[None]:
    """Every route leads to the packaged model, which neither calls tools nor judges."""
    url, name = local_model
    with override_settings(LLM_API_KEY=KEY):
        point_routes_at(url, name, tools=False, judge=False, credential="LLM_API_KEY")
        with platform_scope():
            local = Price.objects.filter(model="local-model").latest("valid_from")
            Price.objects.get_or_create(
                model=name,
                version=local.version,
                defaults={
                    "valid_from": local.valid_from,
                    "tokens_in": local.tokens_in,
                    "tokens_out": local.tokens_out,
                    "tokens_cached": local.tokens_cached,
                },
            )
        yield


def told(world: World) -> str:
    """What the runs did, for a failed assertion."""
    lines = []
    for run in world.runs():
        lines.append(f"run {run.number} {run.kind} {run.state}: {run.reason}")
        with tenant_scope(world.tenant.schema):
            lines += [f"  {step.key} {step.ok}: {str(step.response)[:700]}" for step in run.steps.all()]
    return "\n".join(lines)


def build(tenant: TestTenant, story: Story) -> World:
    files = {path: text.encode() for path, text in story.files.items()}
    files |= {"ci/check.py": CHECK.encode(), "ci/spec.json": story.spec.encode()}
    return World.build(tenant, story.name.upper(), files, "python3 ci/check.py")


def written(world: World, story: Story) -> StoryRow:
    task = story.task
    return world.story(
        title=task.title,
        brief=task.brief,
        evidence=task.evidence,
        acceptance=[f"Given a reader, when they look it up, then {line}" for line in task.acceptance],
        risk_labels=["docs"],
    )


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_documentation_story_is_merged_with_its_facts(tenant: TestTenant, small_model: object, story: Story) -> None:
    world = build(tenant, story)
    before = world.text(story.target)
    row = written(world, story)
    world.settle()
    if row.state != "ready_for_execution" or world.task(row).state != "pending_po_approval":
        pytest.fail(told(world), pytrace=False)
    approval = world.approval(world.task(row))
    assert approval is not None
    world.approve(approval)
    world.settle()
    assert world.task(row).state == "done"
    text = " ".join(world.text(story.target).split())
    added = [line for line in world.text(story.target).splitlines() if line.strip() and line not in before]
    assert all(fact in text for fact in story.facts)
    assert not any(word in " ".join(added) for word in story.absent)
    assert all(line in world.text(story.target) for line in before.splitlines()), "what was there stays"
    assert not re.search(r"[{}<>]", " ".join(added))


def test_a_story_that_cannot_be_satisfied_ends_with_a_person(tenant: TestTenant, small_model: object) -> None:
    world = build(tenant, IMPOSSIBLE)
    before = world.head()
    row = written(world, IMPOSSIBLE)
    world.settle()
    work = [run for run in world.runs() if run.kind == "work"]
    assert [run.state for run in work] == [RunState.ESCALATED]
    assert world.head() == before
    assert world.task(row).state == "todo", "a person can take it"
    with tenant_scope(tenant.schema):
        assert work[0].round == 3
        assert work[0].steps.filter(kind="ci", ok=False).exists()
