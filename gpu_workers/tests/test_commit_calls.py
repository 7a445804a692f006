"""`git_commit` as a step of a run: it happens once, whoever dies at it or comes back too late."""

import pytest

from gpu_workers.actions.runs import LeaseLost
from gpu_workers.loop import Observation, Permission, ToolCall
from gpu_workers.models import Agent, Run, RunStep
from gpu_workers.repos import BaseMoved, log
from gpu_workers.repos.repository import branch_head
from gpu_workers.runs.approving import RunApprover
from gpu_workers.runs.committing import push_kept
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.environment import RunEnvironment
from gpu_workers.runs.journal import Journal
from gpu_workers.runs.model import Head
from gpu_workers.runs.outcomes import outcome_of
from gpu_workers.selectors import log_of
from gpu_workers.tests.test_waiting_tools import at_work
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from tests.support.world import World

pytestmark = pytest.mark.integration
SAID = "Answer the question"


class Died(Exception):
    """The worker is gone at this moment."""


def dying_at(boundary: str) -> object:
    def observe(at: str, key: str) -> None:
        if at == boundary:
            raise Died(key)

    return observe


def committing(turn: RunEnvironment, key: str, said: str = SAID) -> Observation:
    return turn.execute(key, ToolCall("1", "git_commit", {"message": said}))


def written(turn: RunEnvironment, key: str, path: str, content: str = "x\n") -> None:
    assert turn.execute(key, ToolCall("1", "write_file", {"path": path, "content": content})).ok


@pytest.fixture
def ctx(tenant: TestTenant) -> RunContext:
    world = World.build(tenant, "TILL", {"a.py": b"answer = 6 * 7\n"}, "true")
    with tenant_scope(tenant.schema):
        made = at_work(world)
        made.agent = Agent.objects.get(name="mason")
        about = {"agent": made.agent, "base_sha": made.run.base_sha, "branch": made.run.branch}
        Run.objects.filter(pk=made.run.pk).update(**about)
        made.run.refresh_from_db()
        made.actor = made.agent.actor()
        made.journal = Journal(made.run, made.actor)
        made.model.head = Head(window=32768, tools=True, schema=True, able=True)
        return made


def test_a_commit_that_a_worker_died_at_is_made_once_and_by_nobody_else(ctx: RunContext, tenant: TestTenant) -> None:
    """Dead when the commit was put by, dead again when the branch had moved; what lies in the workspace then is not in it."""
    with tenant_scope(tenant.schema):
        turn = RunEnvironment(ctx)
        written(turn, "act.1", "one.log")
        for boundary, came in (("begun", None), ("kept", None), ("answered", True)):
            ctx.journal = Journal(ctx.run, ctx.actor, dying_at(boundary))  # type: ignore[arg-type]
            with pytest.raises(Died):
                committing(turn, "act.2")
            assert outcome_of(ctx.run, "act.2", {"message": SAID}) is came, "it is done once it is on the branch"
            assert outcome_of(ctx.run, "act.2", {"message": "Another"}) is None
            (ctx.workspace.tree / "left.txt").write_text("by whoever was too late\n")
            turn = RunEnvironment(ctx)
        ctx.journal = Journal(ctx.run, ctx.actor)
        made = committing(turn, "act.2")
        first = ctx.tip
        assert (made.ok, branch_head(ctx.repo, ctx.run.branch)) == (True, first), made.text
        assert committing(turn, "act.2", "Something else") == made, "the same step is the same commit"
        assert [one.subject for one in log(ctx.repo, first, ctx.run.base_sha)] == [f"TILL-1.1: {SAID}"]
        assert Run.objects.get(pk=ctx.run.pk).head_sha == first
        nothing = committing(turn, "act.3")
        assert (nothing.ok, "nothing to commit" in nothing.text, ctx.tip) == (False, True, first)

        # A rule of .gitignore does not take out of a commit what the one before it holds, also after a death.
        written(turn, "act.4", ".gitignore", "*.log\n")
        ctx.journal = Journal(ctx.run, ctx.actor, dying_at("answered"))  # type: ignore[arg-type]
        with pytest.raises(Died):
            committing(turn, "act.5", "Ignore logs")
        ctx.journal = Journal(ctx.run, ctx.actor)
        assert committing(RunEnvironment(ctx), "act.5", "Ignore logs").ok
        assert (ctx.workspace.tree / "one.log").exists()
        assert len(log(ctx.repo, ctx.tip, ctx.run.base_sha)) == 2

        # A worker whose lease is gone neither begins a commit nor moves the branch back by one that it had put by.
        late = RunStep.objects.get(run=ctx.run, key="act.2")
        with pytest.raises(BaseMoved):
            push_kept(ctx, late.request, {"sha": first, "text": ""})
        Run.objects.filter(pk=ctx.run.pk).update(fence=ctx.run.fence + 1)
        with pytest.raises(LeaseLost):
            committing(turn, "act.6")
        assert branch_head(ctx.repo, ctx.run.branch) == ctx.tip


def test_committing_is_an_act_of_its_own_that_autonomy_judges(ctx: RunContext, tenant: TestTenant) -> None:
    """An agent that only proposes asks before it commits; its words in full and the tree are what people allow."""
    with tenant_scope(tenant.schema):
        Agent.objects.filter(pk=ctx.agent.pk).update(autonomy_cap="L1")
        call = ToolCall("1", "git_commit", {"message": SAID})
        assert RunApprover(ctx).decide("act.1", call).permission is Permission.ASK
        Agent.objects.filter(pk=ctx.agent.pk).update(autonomy_cap="L2")
        assert RunApprover(ctx).decide("act.1", call).permission is Permission.ALLOW
        said = {"title": "Done", "description": ""}
        ended = RunEnvironment(ctx).execute("act.2", ToolCall("1", "open_change_request", said))
        assert (ended.ok, ended.done) == (True, True)
        assert branch_head(ctx.repo, ctx.run.branch) is None, "handing in opens nothing and commits nothing"


def test_what_a_command_says_at_once_stands_whole_in_the_runs_output(ctx: RunContext, tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        said = "".join(f"line {number}\n" for number in range(3000))
        with ctx.live() as heard:
            heard(said.encode())
        pieces = log_of(ctx.run)
        assert "".join(piece.text for piece in pieces) == said
        assert max(len(piece.text) for piece in pieces) <= 4000
