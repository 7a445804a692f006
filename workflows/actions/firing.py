"""A schedule's firings: the time comes, the story is written in its owner's name, what came of it is kept."""

from decimal import Decimal
from typing import Any

from django.db.models import Max

from governance.actions.starters import pass_starter_on
from governance.selectors.holds import is_held
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from workflows.actions.stories import Content, write_story
from workflows.models import Project, Story, Strategy, StrategyRun, StrategySchedule
from workflows.models.schedule import FiringState, Overlap
from workflows.plan_events import FiringSettled, StrategyFired
from workflows.selectors.planned import database_now, unfinished_runs
from workflows.timetable import Due, Timetable, fill_in

MOST_QUEUED = 10
"""Firings that wait for the one before them; more would only pile up work that is out of date."""


@governed("strategy.fire", lock="strategy")
def fire_schedule(*, actor: Actor, strategy: Strategy) -> StrategyRun:
    """Deal with the scheduled time that has come: begin, queue or skip it, and move the schedule on.

    Times that passed while no scheduler ran are one firing, for the latest of them. The strategy's locked row and the
    moved schedule make a second scheduler find nothing due. Raises `Conflict` when nothing is due or it may not fire.
    """
    schedule = StrategySchedule.objects.select_for_update().filter(strategy=strategy).first()
    if schedule is None or strategy.state != "active":
        raise Conflict("This strategy does not fire.")
    if hold := is_held(strategy=str(strategy.pk)):
        raise Conflict(hold.sentence)
    due = Timetable(schedule.cron, schedule.timezone).due(schedule.next_at, database_now())
    if due is None:
        raise Conflict("Its next time has not come yet.")
    if strategy.runs.filter(due_at__gte=due.at).exists():
        raise Conflict("This time was dealt with; the database's clock was put back since.")
    run = _run_of(strategy, schedule, due)
    schedule.next_at = due.next_at
    schedule.save(update_fields=["next_at"])
    record(_fired(strategy, run), actor=actor, after={"next_at": due.next_at.isoformat()})
    return run


def _run_of(strategy: Strategy, schedule: StrategySchedule, due: Due) -> StrategyRun:
    number = (strategy.runs.aggregate(last=Max("number"))["last"] or 0) + 1
    state, reason = FiringState.FIRED, ""
    waiting = strategy.runs.filter(state=FiringState.QUEUED).count()
    before = unfinished_runs(strategy.pk, before=number).last()
    if (before or waiting) and schedule.overlap != Overlap.REPLACE:
        state = FiringState.SKIPPED if schedule.overlap == Overlap.SKIP else FiringState.QUEUED
        reason = f"time {before.number} is not finished" if before else f"{waiting} wait before it"
        if waiting >= MOST_QUEUED:
            state, reason = FiringState.SKIPPED, f"{waiting} wait already"
    return StrategyRun.objects.create(
        strategy=strategy, number=number, due_at=due.at, missed=due.missed, state=state, reason=reason
    )


def _fired(strategy: Strategy, run: StrategyRun) -> StrategyFired:
    return StrategyFired(
        subject=strategy.ref,
        title=str(strategy),
        number=run.number,
        due_at=run.due_at.isoformat(),
        state=run.state,
        missed=run.missed,
        reason=run.reason,
    )


@governed("strategy.release", lock="strategy")
def release_queued(*, actor: Actor, strategy: Strategy) -> StrategyRun:
    """Begin the firing that has waited longest. Raises `Conflict` when none may begin now, as while a kill switch is on."""
    if hold := is_held(strategy=str(strategy.pk)):
        raise Conflict(hold.sentence)
    run = strategy.runs.filter(state=FiringState.QUEUED).order_by("number").first()
    if run is None or strategy.state != "active" or unfinished_runs(strategy.pk, before=run.number).exists():
        raise Conflict("No firing of this strategy may begin now.")
    run.state, run.reason = FiringState.FIRED, ""
    run.save(update_fields=["state", "reason"])
    record(_fired(strategy, run), actor=actor, before={"state": "queued"}, after={"state": "fired"})
    return run


@governed("strategy.write_story", lock="strategy")
def write_scheduled_story(*, actor: Actor, strategy: Strategy, number: int) -> Story:
    """Write the story of a firing from the schedule's template; `actor` is the schedule's owner.

    Raises `Conflict` when the firing has its story already, or the schedule is gone.
    """
    run = strategy.runs.filter(number=number, state=FiringState.FIRED).first()
    schedule = StrategySchedule.objects.filter(strategy=strategy).first()
    if run is None or schedule is None:
        raise Conflict(f"Time {number} of this strategy waits for no story.")
    project = Project.objects.select_for_update(no_key=True).get(pk=strategy.project_id)
    story = write_story(actor, project, _content(schedule, run), strategy=strategy)
    pass_starter_on(of=strategy.ref, to=story.ref)
    run.story, run.state = story, FiringState.PLANNED
    run.save(update_fields=["story", "state"])
    return story


def _content(schedule: StrategySchedule, run: StrategyRun) -> Content:
    template: dict[str, Any] = dict(schedule.template)

    def filled(text: str) -> str:
        return fill_in(text, run.due_at, schedule.timezone, run.number)

    for name in ("title", "brief"):
        if name in template:
            template[name] = filled(template[name])
    template["title"] = template["title"][:200]
    template["acceptance"] = [filled(line) for line in template.get("acceptance", [])]
    if template.get("budget_usd") is not None:
        template["budget_usd"] = Decimal(template["budget_usd"])
    content: Content = {"depends_on": [], **template}  # type: ignore[typeddict-item]
    return content


@governed("strategy.settle_firing", lock="strategy")
def settle_firing(
    *, actor: Actor, strategy: Strategy, number: int, state: FiringState, reason: str = ""
) -> StrategyRun:
    """Note what came of a firing: planned (its story was submitted), replaced, failed, or put back to wait. Raises `Conflict`."""
    run = strategy.runs.select_related("story").filter(number=number).first()
    if run is None or (run.state == state and (run.submitted or state != FiringState.PLANNED)):
        raise Conflict(f"Time {number} of this strategy is settled.")
    return _note(run, actor, strategy, state, reason)


def skip_queued(strategy: Strategy, actor: Actor, reason: str) -> None:
    """Let go of the firings that wait, in an action that takes away what they wait for; it holds the strategy's row."""
    for run in strategy.runs.filter(state=FiringState.QUEUED).order_by("number"):
        _note(run, actor, strategy, FiringState.SKIPPED, reason)


def _note(run: StrategyRun, actor: Actor, strategy: Strategy, state: FiringState, reason: str) -> StrategyRun:
    run.state, run.reason = state, reason[:2000]
    run.submitted = run.submitted or state == FiringState.PLANNED
    run.save(update_fields=["state", "reason", "submitted"])
    event = FiringSettled(
        subject=strategy.ref,
        title=str(strategy),
        number=run.number,
        state=state,
        story=run.story.reference if run.story else "",
        reason=run.reason,
    )
    record(event, actor=actor, reason=run.reason)
    return run
