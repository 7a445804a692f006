"""A story that is stopped while its approved merge is on the way: nothing is merged late, and what was merged is done."""

from collections.abc import Callable

import pytest

from governance.actions.approvals import decide_approval
from governance.selectors import approval
from governance.tests.tools import kinds_recorded
from governance.views import ApprovalView
from gpu_workers.errands import serve
from gpu_workers.folders import repository_folder
from gpu_workers.merge_rules import NotApproved
from gpu_workers.merging import merge_approved
from gpu_workers.models import ChangeRequest
from gpu_workers.repos import merge_fast_forward
from guildhall.evidence.delivery import deliver
from guildhall.evidence.selectors import head_position
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.tenancy import tenant_scope
from tests.story.scripts import RIGHT, mending
from tests.story.test_bugfix_story import STORY
from tests.support.evidence import ConsumerCursor, DeadLetter
from tests.support.pump import relay
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.actions import transition_story
from workflows.models import Story, Task

pytestmark = pytest.mark.integration
Make = Callable[..., TestTenant]


def move(world: World, story: Story, name: str, feedback: str = "") -> None:
    with tenant_scope(world.tenant.schema):
        story.refresh_from_db()
        transition_story(actor=world.owner, story=story, name=name, feedback=feedback)


def tell(world: World, *consumers: str) -> None:
    """These consumers are the first to hear of what has happened; what they have carried out is carried out."""
    relay()
    with tenant_scope(world.tenant.schema):
        for name in consumers:
            deliver(registered_consumers()[name])
            serve("till")
        assert not DeadLetter.objects.exists()


def asked(world: World, task: Task) -> ApprovalView:
    found = world.approval(task)
    assert found is not None
    return found


def state_of(world: World, of: ApprovalView) -> str:
    with tenant_scope(world.tenant.schema):
        return approval(world.owner, of.number).state


def answer(world: World, of: ApprovalView, decision: str) -> None:
    words = "" if decision == "approve" else "Round each line, not the sum."
    with tenant_scope(world.tenant.schema):
        decide_approval(
            actor=world.owner,
            approval=of.number,
            decision=decision,
            binding_hash=of.binding_hash,
            feedback=words,
        )


@pytest.fixture(scope="module")
def world(make_tenant: Make) -> World:
    return World.build(make_tenant(), "TILL", files_of(DEMO / "till"), "python3 ci.py")


def test_what_is_decided_before_a_stop_and_told_after_it_is_carried_out_by_nobody(world: World) -> None:
    with scripted_model(mending()):
        story = world.story(**STORY)
        world.settle()
    task, before = world.task(story), world.head()
    for decision in ("reject", "approve"):
        first = asked(world, task)
        answer(world, first, decision)
        move(world, story, "carry_over")
        # Whoever takes approvals back hears of it last.
        tell(world, "workflows.decisions", "agents.merges")
        task = world.task(story)
        assert (task.state, task.approver, world.head()) == ("pending_po_approval", "", before)
        move(world, story, "continue")
        world.settle()
        again = asked(world, task)
        assert (again.state, again.number > first.number) == ("pending", True), "it is asked about anew"
    assert state_of(world, first) == "void"
    with tenant_scope(world.tenant.schema), pytest.raises(NotApproved):
        merge_approved(
            actor=world.tenant.system(), task=task.reference, binding=dict(first.binding), approval=first.number
        )

    # Its commit is on the branch, its worker died before that was written down, and then the story is stopped.
    answer(world, again, "approve")
    with tenant_scope(world.tenant.schema):
        sha, base = str(again.binding["commit_sha"]), str(again.binding["base_sha"])
        merge_fast_forward(repository_folder("till"), "main", sha, base)
    move(world, story, "carry_over")
    tell(world, "workflows.approvals", "workflows.decisions", "agents.merges", "agents.receipts")
    move(world, story, "continue")
    world.settle()
    task = world.task(story)
    assert (task.state, task.merged_sha, task.approver) == ("done", sha, world.owner.ref)
    assert world.text("till/basket.py") == RIGHT
    assert asked(world, task).state != "pending", "what is merged is asked about no more"
    with tenant_scope(world.tenant.schema):
        assert Story.objects.get().state == "ready_to_review"


def test_a_merge_that_is_known_already_makes_the_task_done_under_the_next_approval(make_tenant: Make) -> None:
    world = World.build(make_tenant(), "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with scripted_model(mending()):
        story = world.story(**STORY)
        world.settle()
    task = world.task(story)
    first = asked(world, task)
    answer(world, first, "approve")
    with tenant_scope(world.tenant.schema):
        merge_approved(
            actor=world.tenant.system(), task=task.reference, binding=dict(first.binding), approval=first.number
        )
        # As a letter that nobody could deliver leaves it: the change is merged, and the task was never told.
        relay()
        ConsumerCursor.objects.filter(consumer="agents.merges").update(position=head_position())
    for name in ("carry_over", "continue"):
        move(world, story, name)
        tell(world, "workflows.approvals")
    tell(world, "workflows.approvals")
    again = asked(world, task)
    assert (state_of(world, first), again.state) == ("void", "pending")
    answer(world, again, "approve")
    tell(world, "agents.merges")
    assert (world.task(story).state, state_of(world, again)) == ("done", "executed"), "before the receipt is told"
    world.settle()
    with tenant_scope(world.tenant.schema):
        assert ChangeRequest.objects.get().merged_sha == world.head() == Task.objects.get().merged_sha


def test_what_was_merged_is_said_to_be_merged_though_its_worker_died_and_its_story_was_dropped(
    make_tenant: Make,
) -> None:
    world = World.build(make_tenant(), "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with scripted_model(mending()):
        story = world.story(**STORY)
        world.settle()
    task = world.task(story)
    given = asked(world, task)
    answer(world, given, "approve")
    sha, base = str(given.binding["commit_sha"]), str(given.binding["base_sha"])
    with tenant_scope(world.tenant.schema):
        merge_fast_forward(repository_folder("till"), "main", sha, base)
    for name in ("carry_over", "drop"):
        move(world, story, name, "Nobody needs it any more.")
    tell(world, "workflows.approvals", "agents.stops")
    with tenant_scope(world.tenant.schema):
        assert ChangeRequest.objects.get().state == "closed", "nobody has told yet that it is merged"
    world.settle()
    with tenant_scope(world.tenant.schema):
        change = ChangeRequest.objects.get()
        assert (change.state, change.merged_sha) == ("merged", sha)
        assert (Task.objects.get().state, Story.objects.get().state) == ("done", "archived"), "its people read it"
    assert kinds_recorded(world.tenant).count("delivery.change.merged") == 1
