"""A base that moves under an approved change: nobody is left waiting, whatever the rebase says and whoever dies meanwhile."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from governance.actions.approvals import decide_approval
from governance.pricing import COMPUTE_SECOND, use_cost
from governance.selectors import entries_of, spend_by, total_spent
from governance.views import ApprovalView
from gpu_workers import ci_runs
from gpu_workers.ci import CIOutcome, run_ci
from gpu_workers.merge_rules import NotNow
from gpu_workers.merging import merge_approved
from gpu_workers.metering import charge_left
from gpu_workers.models import ChangeRequest, RunStep
from guildhall.kernel.actions import ActionContext, register_check
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import Rule
from tests.story.scripts import RIGHT, bugfix, mending, planning, verdicts, writing
from tests.story.test_bugfix_story import STORY
from tests.story.test_ci_charges import die_amid_it, killed, limited
from tests.story.test_merging import move_base
from tests.support.mortal import DIED, in_child
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.models import ProjectRepository, Task

pytestmark = pytest.mark.integration
BACK = "Take the till as it is on the branch now."
CHECKED = '"""More tests."""\n\nimport unittest\n\nfrom till import basket\n\n\n'
CHECKED += (
    "class More(unittest.TestCase):\n    def test_net(self):\n        self.assertEqual(basket.net([(5, 2)]), 10)\n"
)
WHOLE = RIGHT + "\n\ndef net(lines):\n    return sum(price * quantity for price, quantity in lines)\n"


def waiting(tenant: TestTenant, script: list[Rule]) -> tuple[World, Task, ApprovalView]:
    """A world whose bug-fix story waits for its product owner."""
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with scripted_model(script):
        story = world.story(**STORY)
        world.settle()
    task = world.task(story)
    return world, task, question(world, task)


def question(world: World, task: Task) -> ApprovalView:
    found = world.approval(task)
    assert found is not None
    assert found.state == "pending", (found.state, found.state_reason)
    return found


def carry_out(world: World, task: Task, given: ApprovalView) -> None:
    binding = dict(given.binding)
    merge_approved(actor=world.tenant.system(), task=task.reference, binding=binding, approval=given.number)


def dies_at(world: World, action: str, task: Task, given: ApprovalView) -> None:
    """Have a worker carry the merge out that is killed -9 as it begins `action`."""

    def die(about: ActionContext) -> None:
        if about.name == action:
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        register_check(die)
        with tenant_scope(world.tenant.schema):
            carry_out(world, task, given)

    assert in_child(work) == DIED


def send_back(world: World, of: ApprovalView) -> None:
    with tenant_scope(world.tenant.schema):
        decide_approval(
            actor=world.owner, approval=of.number, decision="reject", binding_hash=of.binding_hash, feedback=BACK
        )


def merged(world: World, task: Task, given: ApprovalView) -> ChangeRequest:
    """The change, after the approval is given and all has come to rest."""
    world.approve(given)
    world.settle()
    assert world.task(task.story).state == "done"
    with tenant_scope(world.tenant.schema):
        return ChangeRequest.objects.get()


def test_a_conflict_is_asked_about_and_reworked_on_the_branch_as_it_is(tenant: TestTenant, tmp_path: Path) -> None:
    world, task, first = waiting(tenant, mending())
    moved = move_base(world, tmp_path, "till/basket.py", "VAT_PERCENT = 19\n")
    world.approve(first)
    dies_at(world, "task.ask_again", task, first)
    world.settle()
    task, again = world.task(task.story), question(world, task)
    assert (world.head(), task.state, task.approver) == (moved, "pending_po_approval", "")
    assert (again.binding, again.number > first.number) == (first.binding, True)
    assert "till/basket.py" in again.summary
    assert "Reject it" in again.summary
    with scripted_model(bugfix()):
        send_back(world, again)
        world.settle()
    second = question(world, task)
    assert second.binding["base_sha"] == moved
    with tenant_scope(tenant.schema):
        run = ChangeRequest.objects.get().run
        assert run is not None
        assert run.base_sha == moved
        asked = RunStep.objects.get(run=run, key="plan").request["messages"][-2]["content"]
        assert "conflicts with the branch" in asked
        assert "+" + RIGHT.splitlines()[-1] in asked, "what it had done is told"
        assert BACK in asked
    merged(world, task, second)
    assert world.text("till/basket.py") == RIGHT


def test_ci_that_is_red_on_the_moved_base_is_asked_about_and_mended_there(
    tenant: TestTenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, task, first = waiting(tenant, mending())
    moved = move_base(world, tmp_path, "tests/test_more.py", CHECKED)
    allowed: list[int] = []

    def heeded(*given: Any, **more: Any) -> CIOutcome:
        allowed.append(more["limits"].cpu_s)
        return run_ci(*given, **more)

    monkeypatch.setattr(ci_runs, "run_ci", heeded)
    with tenant_scope(tenant.schema):
        ProjectRepository.objects.update(ci_limits={"cpu_seconds": 77})
    world.approve(first)
    world.settle()
    again = question(world, task)
    assert (world.head(), world.task(task.story).approver) == (moved, "")
    assert "CI is red on top of it" in again.summary
    assert set(allowed) == {77}, "what its project says"
    world.approve(again)
    world.settle()
    asked = question(world, task)
    assert asked.number > again.number, "approving it once more merges nothing either"
    with scripted_model([*planning(), *writing(WHOLE, contains=["Carry the task out now."]), *verdicts()]):
        send_back(world, asked)
        world.settle()
    second = question(world, task)
    with tenant_scope(tenant.schema):
        run = ChangeRequest.objects.get().run
        assert run is not None
        assert run.base_sha not in (moved, first.binding["commit_sha"]), "it goes on from its own commit, rebased"
    assert second.binding["base_sha"] == moved
    assert merged(world, task, second).files[0]["path"] == "till/basket.py"
    assert (world.text("till/basket.py"), world.text("tests/test_more.py")) == (WHOLE, CHECKED)
    with tenant_scope(tenant.schema):
        [red] = entries_of("owner", task.ref)
        assert (red.cost_kind, red.agent) == ("compute", ""), "CI of the rebase, which was no run's; kept, so run once"
        assert red.spent_delta == use_cost(red.quantity, COMPUTE_SECOND) > 0
        assert red.id in {line.id for line in entries_of("project", "TILL")}
        for dimension in ("task", "story", "project", "owner"):
            assert sum(line.spent for line in spend_by(dimension)) == total_spent()


@pytest.mark.parametrize("action", ["approval.void", "task.rebind"])
def test_a_worker_that_dies_while_it_rebases_leaves_nobody_waiting(
    tenant: TestTenant, tmp_path: Path, action: str
) -> None:
    world, task, first = waiting(tenant, mending())
    moved = move_base(world, tmp_path, "README.md", "# Till, with another README\n")
    world.approve(first)
    limited(world, task, "0.00001")
    with tenant_scope(tenant.schema), pytest.raises(NotNow, match="total limit of task"):
        carry_out(world, task, first)
    limited(world, task, "1")
    killed(world, lambda: carry_out(world, task, first), (ci_runs, "run_ci"), die_amid_it)
    dies_at(world, action, task, first)
    with tenant_scope(tenant.schema):
        charge_left(actor=tenant.system())
        paid = entries_of("owner", task.ref)
        assert len(paid) == 2, "CI of the rebase, that whose worker was killed amid it and the one that ended"
        assert {line.spent_delta > 0 for line in paid} == {True}
        assert ChangeRequest.objects.get().base_sha == moved, "the change is rebased and its task does not know"
    assert world.task(task.story).commit_sha == first.binding["commit_sha"]
    world.settle()
    second = question(world, task)
    assert (second.binding["base_sha"], world.head()) == (moved, moved)
    assert "The base has moved" in second.summary
    assert merged(world, task, second).merged_sha == second.binding["commit_sha"] == world.head()
