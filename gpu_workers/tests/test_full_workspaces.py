"""More files than are worked with: in a repository, left by a command, or left by a worker that died over one."""

import pytest

from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.loop import ToolCall
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import RunKind
from gpu_workers.repos import GitError, bounds, workspaces
from gpu_workers.runs import context
from gpu_workers.runs.engine import execute
from gpu_workers.runs.environment import RunEnvironment
from gpu_workers.runs.journal import Journal
from gpu_workers.runs.model import Head
from gpu_workers.tests.test_commit_calls import Died, dying_at
from gpu_workers.tests.test_waiting_tools import at_work
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model
from workflows.models import Task

pytestmark = pytest.mark.integration
FEW = 4


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (bounds, workspaces):
        monkeypatch.setattr(module, "MAX_ENTRIES", FEW)
    monkeypatch.setattr(bounds, "_fitting", {})


def test_what_no_commit_could_hold_is_an_answer_that_the_agent_can_act_on(
    tenant: TestTenant, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World.build(tenant, "TILL", {"a.py": b"answer = 6 * 7\n"}, "true")
    with tenant_scope(tenant.schema):
        ctx = at_work(world)
        ctx.agent.role, ctx.model.head = "developer", Head(window=8192, tools=True, schema=True, able=True)
        ctx.journal = Journal(ctx.run, ctx.actor, dying_at("begun"))  # type: ignore[arg-type]
        call = ToolCall("1", "run_command", {"command": "ls"})
        with pytest.raises(Died):
            RunEnvironment(ctx).execute("act.1", call)
        for number in range(2 * FEW):
            (ctx.workspace.tree / f"left-{number}").touch()
        ctx.journal = Journal(ctx.run, ctx.actor)
        turn = RunEnvironment(ctx)
        assert turn.execute("act.1", call).text == "[exit status 0]\na.py\n", "what a dead worker left is gone"

        many = ToolCall("1", "run_command", {"command": "touch 1 2 3 4 5 6 7"})
        found = turn.execute("act.2", many)
        assert not found.ok
        assert (
            f"holds more than {FEW} files; that is more than is worked with. The workspace was put back" in found.text
        )
        pipe = turn.execute("act.3", ToolCall("1", "run_command", {"command": "mkfifo .gitignore; touch 1"}))
        assert "'.gitignore' is no file" in pipe.text
        assert turn.execute("act.4", call).text == "[exit status 0]\na.py\n"

        def trouble(*_: object) -> str:
            raise GitError(f"git: cannot read {ctx.workspace.tree}", 128)

        monkeypatch.setattr(context, "tree_of", trouble)
        said = turn.execute("act.5", call).text
        assert "git cannot do that in this repository" in said
        assert str(ctx.workspace.root) not in said, "no folder of the machine is told"


def test_a_repository_that_is_too_large_ends_its_run_with_what_is_accepted(
    tenant: TestTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World.build(tenant, "TILL", {f"{number}.py": b"" for number in range(2 * FEW)}, "true")
    with scripted_model([]), tenant_scope(tenant.schema):
        at_work(world)
        Run.objects.update(state="cancelled")
        Task.objects.update(claim_token=2)
        agent, task = Agent.objects.get(name="mason"), Task.objects.get()
        new = NewRun(RunKind.WORK, task.ref, task.story.ref, "Look", f"{task.ref}:2", world.project.repository)
        run = queue_run(actor=tenant.system(), agent=agent, new=new)
        monkeypatch.setattr(bounds, "MAX_ENTRIES", FEW)
        monkeypatch.setattr(bounds, "_fitting", {})
        execute(run.number)
        run = Run.objects.get(pk=run.pk)
    assert (run.state, run.reason.partition(" holds ")[2]) == (
        "failed", f"more than {FEW} files and folders; that is more than is worked with.",
    )  # fmt: skip
