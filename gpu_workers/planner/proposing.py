"""A PM agent's run: read the backlog or the tracker's issues, hand a plan in. The backlog does not change by it."""

from collections.abc import Callable
from typing import Any

from gpu_workers.actions.proposals import keep_proposal
from gpu_workers.actions.runs import Ending, StepResult
from gpu_workers.actions.trackers import note_update
from gpu_workers.connections import needed
from gpu_workers.forges.vault import Opening
from gpu_workers.models import ProjectTracker, Proposal
from gpu_workers.models.run import Phase, RunState
from gpu_workers.planner.checks import Backlog
from gpu_workers.planner.reading import backlog_of, proposal_of
from gpu_workers.planner.shown import kept as backlog_kept
from gpu_workers.planner.shown import restored
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.desk import Desk, at_desk
from gpu_workers.tools.backlog import PROPOSING
from gpu_workers.tools.tracker import PROPOSE, TRACKER_TOOLS
from gpu_workers.trackers.connecting import tracker_of
from gpu_workers.trackers.importing import ISSUES, IssueList, with_sources
from gpu_workers.trackers.protocol import Update
from gpu_workers.trackers.reading import listed, source_of, stored
from guildhall.kernel.errors import Invalid
from guildhall.kernel.tenancy import release_connection


def propose(ctx: RunContext) -> Ending:
    """Ends succeeded with a plan that passed the program's checks, waiting with a question, or escalated with the reason."""
    proposal = proposal_of(ctx.run.subject)
    shown = {} if proposal.kind == ISSUES else _backlog(ctx, proposal)
    found, ending = _plan(ctx, proposal, restored(shown)) if shown else _import(ctx, proposal)
    if ending is not None:
        return ending
    ctx.enter(Phase.FINALIZER)

    def do(_: object) -> StepResult:
        fence = ctx.journal.fence
        keep_proposal(actor=ctx.actor, proposal=proposal, run=ctx.run, fence=fence, content=found, shown=shown)
        return StepResult({"proposal": proposal.pk})

    kept = ctx.journal.step(
        "proposal", kind="note", phase=Phase.FINALIZER, title="Put the plan before a person", request={}, do=do
    )
    return Ending(RunState.SUCCEEDED, outcome=kept)


def _backlog(ctx: RunContext, proposal: Proposal) -> dict[str, Any]:
    """Read once and kept: whoever takes the run over works with the same one, and so does whoever decides."""

    def do(_: object) -> StepResult:
        return StepResult(backlog_kept(backlog_of(proposal)))

    return ctx.journal.step("backlog", kind="note", phase=Phase.PLANNER, title="Read the backlog", request={}, do=do)


def _plan(ctx: RunContext, proposal: Proposal, backlog: Backlog) -> tuple[dict[str, Any], Ending | None]:
    desk = Desk(ctx, ("read_backlog", PROPOSING[proposal.kind]), backlog=backlog)
    about = {
        "wanted": proposal.get_kind_display(),
        "project": proposal.project,
        "wish": proposal.wish,
        "stories": len(backlog.stories),
        "stories left out": backlog.left_out,
        "capacity in points": backlog.capacity,
        "hand it in with": PROPOSING[proposal.kind],
    }
    return at_desk(ctx, desk, about)


def _import(ctx: RunContext, proposal: Proposal) -> tuple[dict[str, Any], Ending | None]:
    """The issues are read once and kept: whoever takes the run over works with the same ones."""
    row = needed(ProjectTracker, proposal.project)
    there = _issues(ctx, row)

    desk = Desk(ctx, tuple(tool.name for tool in TRACKER_TOOLS), issues=there, update_issue=updating(ctx, row))
    about = {
        "wanted": proposal.get_kind_display(),
        "project": proposal.project,
        "wish": proposal.wish,
        "issues": len(there.issues),
        "of them no story yet": len(there.new()),
        "hand it in with": PROPOSE,
    }
    found, ending = at_desk(ctx, desk, about)
    return (found, ending) if ending is not None else (with_sources(found, there, source_of(row)), None)


def updating(ctx: RunContext, row: ProjectTracker) -> Callable[[str, Update], list[str]]:
    """What changes an issue of a tracker for a run; each act is in the trail before it is asked for, and no connection is held
    meanwhile."""

    def update(issue: str, wanted: Update) -> list[str]:
        tracker = tracker_of(row, Opening(ctx.actor, f"an update of run {ctx.run.number}"))
        asked = list[str]()

        def acting(words: str) -> None:
            ctx.check()
            note_update(actor=ctx.actor, run=ctx.run, tracker=row, issue=issue, done=[words])
            release_connection()
            asked.append(words)

        release_connection()
        try:
            return tracker.update(issue, wanted, acting)
        except Invalid as refused:
            before = f" Before that it was {', '.join(asked[:-1])}." if asked[:-1] else ""
            raise Invalid(f"{refused.detail}{before}") from refused

    return update


def _issues(ctx: RunContext, row: ProjectTracker) -> IssueList:
    def do(_: object) -> StepResult:
        tracker = tracker_of(row, Opening(ctx.actor, f"reading the issues for run {ctx.run.number}"))
        release_connection()
        return StepResult({"place": row.place, ISSUES: stored(tracker.issues())})

    kept = ctx.journal.step(
        "issues", kind="note", phase=Phase.PLANNER, title=f"Read the issues of {row.place}", request={}, do=do
    )
    return listed(row, kept[ISSUES])
