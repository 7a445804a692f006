"""What is merged is exactly what was approved, or nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from governance.actions.approvals import decide_approval
from governance.actions.outcomes import void_approvals
from governance.actions.outcomes_held import take_back
from governance.views import ApprovalView
from gpu_workers.folders import repository_folder
from gpu_workers.merge_rules import NotApproved
from gpu_workers.merging import merge_approved
from gpu_workers.models import ChangeRequest, CIRun, Repository
from gpu_workers.models.change import fingerprint_of
from gpu_workers.repos import Signature, clone_workspace, commit_all, merge_fast_forward, push_branch
from guildhall.evidence.delivery import deliver
from guildhall.evidence.selectors import head_position
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.errors import Conflict, Denied
from guildhall.kernel.tenancy import tenant_scope
from tests.story.scripts import RIGHT, mending
from tests.story.test_bugfix_story import STORY
from tests.support.evidence import ConsumerCursor
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.actions import transition_story
from workflows.models import Story, Task

pytestmark = pytest.mark.integration
SOMEBODY = Signature("Somebody", "somebody@example.org")
COMMAND = "python3 ci.py"


@pytest.fixture
def waiting(tenant: TestTenant) -> tuple[World, Task, ApprovalView]:
    """A world whose bug-fix story waits for its product owner."""
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), COMMAND)
    with scripted_model(mending()):
        story = world.story(**STORY)
        world.settle()
    task = world.task(story)
    approval = world.approval(task)
    assert approval is not None
    return world, task, approval


def move_base(world: World, folder: Path, path: str, content: str, branch: str = "other") -> str:
    """Somebody else's commit lands on the default branch."""
    with tenant_scope(world.tenant.schema):
        repo = repository_folder(world.project.repository)
        base = world.head()
        workspace = clone_workspace(repo, folder / branch, branch, base)
        (workspace.tree / path).write_text(content)
        sha = commit_all(workspace, branch, base, "Something else", SOMEBODY, datetime(2026, 2, 1, tzinfo=UTC))
        assert sha is not None
        push_branch(repo, workspace, branch, sha, None)
        return merge_fast_forward(repo, "main", sha, base)


def test_a_moved_base_is_rebased_and_asked_about_again(
    waiting: tuple[World, Task, ApprovalView], tmp_path: Path
) -> None:
    world, task, approval = waiting
    moved = move_base(world, tmp_path, "README.md", "# Till, with another README\n")
    with world.tenant.scope():
        Repository.objects.update(ci_command=f"{COMMAND} && true")
    world.approve(approval)
    world.settle()
    assert world.head() == moved, "nothing is merged that was not approved in this form"
    with world.tenant.scope():
        by = CIRun.objects.order_by("-id").values_list("purpose", "command_sha256")
        assert by[0] == ("rebase", fingerprint_of(f"{COMMAND} && true"))
        assert not CIRun.objects.filter(purpose="merge").exists(), "not of what is not merged anyway"
    task = world.task(task.story)
    assert task.state == "pending_po_approval"
    again = world.approval(task)
    assert again is not None
    assert again.number != approval.number
    assert again.binding["base_sha"] == moved
    with pytest.raises(Conflict):
        world.approve(approval)
    world.approve(again)
    world.settle()
    assert world.task(task.story).state == "done"
    assert world.text("till/basket.py") == RIGHT
    assert world.text("README.md") == "# Till, with another README\n"


def test_what_is_not_exactly_what_was_approved_merges_nothing(waiting: tuple[World, Task, ApprovalView]) -> None:
    world, task, approval = waiting
    before, actor = world.head(), world.tenant.system()
    with tenant_scope(world.tenant.schema), pytest.raises(NotApproved):
        merge_approved(actor=actor, task=task.reference, binding=dict(approval.binding), approval=approval.number)
    assert world.head() == before, "nobody has said yes"
    world.approve(approval)
    with tenant_scope(world.tenant.schema):
        for name in ("commit_sha", "base_sha", "diff_hash"):
            forged = {**approval.binding, name: "0" * len(str(approval.binding[name]))}
            with pytest.raises(NotApproved):
                merge_approved(actor=actor, task=task.reference, binding=forged, approval=approval.number)
            assert world.head() == before, name
        _replaced(world, task, approval)
        transition_story(actor=world.owner, story=Story.objects.get(), name="carry_over")
        void_approvals(actor=actor, subject=task.ref, reason="the story was stopped meanwhile")
        with pytest.raises(NotApproved):
            given = dict(approval.binding)
            merge_approved(actor=actor, task=task.reference, binding=given, approval=approval.number)
    assert world.head() == before


def _replaced(world: World, task: Task, approval: ApprovalView) -> None:
    """The change consists of other commits, which CI is green on: a rebase that nobody made is none."""
    known, binding = ChangeRequest.objects.filter(task=task.reference), dict(approval.binding)
    now = fingerprint_of(Repository.objects.get().ci_command)
    ci = CIRun.objects.create(repository="till", sha="1" * 40, purpose="run:9:0", status="passed", command_sha256=now)
    known.update(head_sha=ci.sha)
    with pytest.raises(NotApproved, match="commit_sha"):
        merge_approved(actor=world.tenant.system(), task=task.reference, binding=binding, approval=approval.number)
    assert Task.objects.values_list("commit_sha", "state").get() == (binding["commit_sha"], "pending_po_approval")
    assert [view.state for view in [world.approval(task)] if view] == ["approved"], (
        "what people said stands as they said it"
    )
    known.update(head_sha=binding["commit_sha"])


def test_a_merge_repeated_after_a_crash_is_one_merge(waiting: tuple[World, Task, ApprovalView]) -> None:
    world, task, approval = waiting
    world.approve(approval)
    with tenant_scope(world.tenant.schema):
        # The worker died after git had moved the branch and before anything was written down.
        repo = repository_folder("till")
        merge_fast_forward(repo, "main", str(approval.binding["commit_sha"]), str(approval.binding["base_sha"]))
    world.settle()
    with tenant_scope(world.tenant.schema):
        assert ChangeRequest.objects.get().merged_sha == world.head() == approval.binding["commit_sha"]
    assert world.task(task.story).state == "done"


def test_what_is_on_the_branch_is_written_down_though_its_approval_was_taken_back_after_the_crash(
    waiting: tuple[World, Task, ApprovalView],
) -> None:
    world, task, approval = waiting
    world.approve(approval)
    sha, base = str(approval.binding["commit_sha"]), str(approval.binding["base_sha"])
    with tenant_scope(world.tenant.schema):
        merge_fast_forward(repository_folder("till"), "main", sha, base)
        take_back(actor=world.owner, approval=approval.number, reason="It can wait for the new year.")
    world.settle()
    assert world.head() == sha
    with tenant_scope(world.tenant.schema):
        assert ChangeRequest.objects.get().merged_sha == sha
    assert world.task(task.story).state == "done"


def test_a_receipt_told_again_does_not_end_a_task_that_was_reopened(
    waiting: tuple[World, Task, ApprovalView],
) -> None:
    world, task, approval = waiting
    world.approve(approval)
    world.settle()
    with tenant_scope(world.tenant.schema):
        again = {"reopen": [task.reference], "feedback": "The rounding of odd cents is still wrong."}
        transition_story(actor=world.owner, story=Story.objects.get(), name="reject_result", **again)  # type: ignore[arg-type]
        cursor = ConsumerCursor.objects.filter(consumer="agents.receipts")
        cursor.update(position=0)
        deliver(registered_consumers()["agents.receipts"])
        assert cursor.values_list("position", "last_error").get() == (head_position(), "")
        assert Task.objects.get().state == "implementing"


def test_nobody_else_decides(waiting: tuple[World, Task, ApprovalView], other_tenant: TestTenant) -> None:
    world, _task, approval = waiting
    agents = [world.tenant.agent("developer", "mason"), world.tenant.agent("architect", "alder")]
    people = [world.tenant.actor(role) for role in ("developer", "qa", "viewer", "architect")]
    for actor in [*agents, *people]:
        with tenant_scope(world.tenant.schema), pytest.raises(Denied):
            decide_approval(
                actor=actor, approval=approval.number, decision="approve", binding_hash=approval.binding_hash
            )
    stranger = other_tenant.actor("product_owner")
    with tenant_scope(world.tenant.schema), pytest.raises(RuntimeError, match="cannot act"):
        decide_approval(
            actor=stranger, approval=approval.number, decision="approve", binding_hash=approval.binding_hash
        )
