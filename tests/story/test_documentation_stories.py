"""Documentation stories on the packaged model: merged text, or escalation, checked against facts that no run saw as a test."""

import re

import pytest

from governance.selectors import latest_approval
from gpu_workers.folders import repository_folder
from gpu_workers.models.run import RunState
from gpu_workers.repos import read_file
from guildhall.kernel.tenancy import tenant_scope
from tests.support.documentation import Story, generated, impossible
from tests.support.tenants import TestTenant
from tests.support.world import World
from workflows.models import Story as StoryRow

pytestmark = pytest.mark.e2e
SEEDS = (1, 6, 10)
"""Three layouts; evidence that is cited, quoted and only named; the last one's source says something that is outdated."""
IMPOSSIBLE = 14


def build(tenant: TestTenant, story: Story) -> World:
    files = {path: text.encode() for path, text in story.files.items()}
    return World.build(tenant, story.key, files, story.ci_command)


def written(world: World, story: Story) -> StoryRow:
    task = story.task
    return world.story(
        title=task.title,
        brief=task.brief,
        evidence=task.evidence,
        acceptance=list(task.acceptance),
        risk_labels=["docs"],
    )


def plain(text: str) -> str:
    return " ".join(text.split())


def added(before: str, after: str) -> list[str]:
    """The lines that are new, with those that were there seen to be there still."""
    rest = iter(after.splitlines())
    assert all(line in rest for line in before.splitlines()), "what was there stays, in its order"
    return [line for line in after.splitlines() if line.strip() and line not in before.splitlines()]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_documentation_story_is_merged_with_its_facts(tenant: TestTenant, small_model: object, seed: int) -> None:
    story = generated(seed)
    world = build(tenant, story)
    before = world.text(story.target)
    row = written(world, story)
    world.settle()
    _let_go_on(world)
    if row.state != "ready_for_execution" or world.task(row).state != "pending_po_approval":
        pytest.fail(world.told(), pytrace=False)
    approval = world.approval(world.task(row))
    assert approval is not None
    world.approve(approval)
    world.settle()
    assert world.task(row).state == "done"
    new = plain(" ".join(added(before, world.text(story.target))))
    assert [fact for fact in story.facts if fact not in new] == []
    assert [fact for fact in story.absent if fact in new] == []
    assert not re.search(r"[{}<>]", new)


def _let_go_on(world: World) -> None:
    """The model is not always sure enough of its words for the policy (batches differ in their last digits): a person is."""
    for run in world.runs():
        if run.state == RunState.WAITING:
            assert run.reason.startswith("its confidence"), world.told()
            with tenant_scope(world.tenant.schema):
                asked = latest_approval(run.ref, kind="agent_action")
            assert asked is not None, world.told()
            world.approve(asked)
    world.settle()


def test_a_story_that_cannot_be_satisfied_ends_with_a_person(tenant: TestTenant, small_model: object) -> None:
    story = impossible(IMPOSSIBLE)
    world = build(tenant, story)
    before, text = world.head(), world.text(story.target)
    row = written(world, story)
    world.settle()
    work = [run for run in world.runs() if run.kind == "work"]
    assert [run.state for run in work] == [RunState.ESCALATED], world.told()
    assert world.head() == before
    assert world.task(row).state == "todo", "a person can take it"
    with tenant_scope(tenant.schema):
        assert work[0].round == 3
        assert work[0].steps.filter(kind="ci", ok=False).exists()
        tried = read_file(repository_folder(world.project.repository), work[0].outcome["head_sha"], story.target)
    new = plain(" ".join(added(text, tried.decode())))
    assert [fact for fact in story.facts if fact not in new] == [], "what there was to say was said"
    assert [fact for fact in story.absent if fact in new] == [], "nothing was invented to please CI"
