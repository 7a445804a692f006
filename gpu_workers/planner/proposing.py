"""A PM agent's run: read the backlog, hand an order, a sprint plan or a roadmap in. Nothing changes by it."""

from gpu_workers.actions.proposals import keep_proposal
from gpu_workers.actions.runs import Ending, StepResult
from gpu_workers.models.run import Phase, RunState
from gpu_workers.planner.reading import backlog_of, proposal_of
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.desk import Desk, at_desk
from gpu_workers.tools.backlog import PROPOSING


def propose(ctx: RunContext) -> Ending:
    """Ends succeeded with a plan that passed the program's checks, or escalated with the reason."""
    proposal = proposal_of(ctx.run.subject)
    backlog = backlog_of(proposal)
    desk = Desk(ctx, ("read_backlog", PROPOSING[proposal.kind]), backlog=backlog)
    about = {
        "wanted": proposal.get_kind_display(),
        "project": proposal.project,
        "wish": proposal.wish,
        "stories": len(backlog.stories),
        "capacity in points": backlog.capacity,
        "hand it in with": PROPOSING[proposal.kind],
    }
    found, why_not = at_desk(ctx, desk, about)
    if found is None:
        return Ending(RunState.ESCALATED, reason=why_not)
    ctx.enter(Phase.FINALIZER)

    def do(_: object) -> StepResult:
        keep_proposal(actor=ctx.actor, proposal=proposal, run=ctx.run, fence=ctx.journal.fence, content=found)
        return StepResult({"proposal": proposal.pk})

    kept = ctx.journal.step(
        "proposal", kind="note", phase=Phase.FINALIZER, title="Put the plan before a person", request={}, do=do
    )
    return Ending(RunState.SUCCEEDED, outcome=kept)
