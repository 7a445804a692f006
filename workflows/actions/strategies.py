"""Strategies: what is wanted, how far agents may go for it, what it may cost, and when it plans by itself."""

from decimal import Decimal
from typing import Any, TypedDict

from governance.actions.starters import note_starter
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid
from guildhall.kernel.versions import check_version
from workflows.actions.common import named, shown
from workflows.actions.firing import skip_queued
from workflows.actions.plan_common import Problems, in_state, keep
from workflows.actions.stories import Content, check_content
from workflows.events import StrategyCreated
from workflows.models import Project, Strategy, StrategySchedule
from workflows.models.schedule import Overlap
from workflows.models.tree import AUTONOMY
from workflows.plan_events import ScheduleRemoved, ScheduleSet, StrategyEdited, StrategyMoved
from workflows.selectors.planned import database_now
from workflows.timetable import NoTimetable, Timetable

TEXT_LIMIT = 20_000
TEMPLATE = ("title", "brief", "acceptance", "size", "priority", "risk_labels", "budget_usd", "client_visible")
"""What a schedule's template may say of its stories."""


class StrategyChange(TypedDict, total=False):
    """What may be changed of a strategy that has not ended; `budget_usd` in US dollars."""

    title: str
    goal: str
    success_measure: str
    autonomy: str
    budget_usd: Decimal | None


@governed("strategy.create", lock="project")
def create_strategy(
    *,
    actor: Actor,
    project: Project,
    goal: str,
    title: str = "",
    success_measure: str = "",
    autonomy: str = "L2",
    budget_usd: Decimal | None = None,
) -> Strategy:
    """Set a goal; without a title, it is called by its first line.

    Raises `Invalid` for an empty goal, an unknown level or a budget that is not above 0.
    """
    values: dict[str, Any] = {
        "goal": goal,
        "title": title.strip() or goal.strip().split("\n")[0][:120],
        "success_measure": success_measure,
        "autonomy": autonomy,
        "budget_usd": budget_usd,
    }
    _check(values)
    strategy = Strategy.objects.create(project=project, **values)
    record(StrategyCreated(subject=strategy.ref, project=project.key, goal=strategy.goal), actor=actor)
    return strategy


@governed("strategy.edit", lock="strategy")
def edit_strategy(*, actor: Actor, strategy: Strategy, change: StrategyChange, version: int | None = None) -> Strategy:
    """Change a strategy that has not ended. A budget can be changed, not taken away: its limit has been set.

    Raises `Stale`, `Conflict` when it has ended, `Invalid` with the fields.
    """
    check_version(strategy, version)
    in_state("strategy", strategy.state, "edit")
    values: dict[str, Any] = dict(change)
    if not values:
        raise Invalid("Nothing is to change.", fields={"strategy": ["Say what is to change."]})
    if "budget_usd" in values and values["budget_usd"] is None and strategy.budget_usd is not None:
        raise Invalid("The budget stays.", fields={"budget_usd": ["Change the amount; it cannot be taken away."]})
    _check(values)
    before = named(strategy, *values)
    for field, value in values.items():
        setattr(strategy, field, value)
    keep(strategy, *values)
    event = StrategyEdited(
        subject=strategy.ref, project=strategy.project.key, title=str(strategy), fields=sorted(values)
    )
    record(event, actor=actor, before=before, after=named(strategy, *values))
    return strategy


def _check(values: dict[str, Any]) -> None:
    problems = Problems("The strategy cannot be set like this.")
    problems.text(values, "goal", TEXT_LIMIT, required="State the goal in words.")
    problems.text(values, "title", 120, required="Give it a title.")
    problems.text(values, "success_measure", TEXT_LIMIT)
    if values.get("autonomy", AUTONOMY[0]) not in AUTONOMY:
        problems.add("autonomy", f"Choose one of {', '.join(AUTONOMY)}.")
    budget = values.get("budget_usd")
    if budget is not None and not (budget.is_finite() and 0 < budget < 10**9):
        problems.add("budget_usd", "Give an amount above 0.")
    problems.refuse()


@governed("strategy.pause", lock="strategy")
def pause_strategy(*, actor: Actor, strategy: Strategy, reason: str = "", version: int | None = None) -> Strategy:
    """Begin no new work for it and let its schedule rest. Raises `Conflict` and `Stale`."""
    return _move(strategy, "pause", actor, reason, version)


@governed("strategy.resume", lock="strategy")
def resume_strategy(*, actor: Actor, strategy: Strategy, reason: str = "", version: int | None = None) -> Strategy:
    """Go on. Times that came while it was paused are not made up for. Raises `Conflict` and `Stale`."""
    moved = _move(strategy, "resume", actor, reason, version)
    schedule = StrategySchedule.objects.select_for_update().filter(strategy=strategy).first()
    if schedule is not None:
        schedule.next_at = Timetable(schedule.cron, schedule.timezone).after(database_now())
        schedule.save(update_fields=["next_at"])
    return moved


@governed("strategy.end", lock="strategy")
def end_strategy(*, actor: Actor, strategy: Strategy, reason: str = "", version: int | None = None) -> Strategy:
    """It is reached or given up: nothing is begun for it any more, and what waits is skipped. Raises `Conflict`, `Stale`."""
    ended = _move(strategy, "end", actor, reason, version)
    skip_queued(ended, actor, "The strategy has ended.")
    return ended


def _move(strategy: Strategy, name: str, actor: Actor, reason: str, version: int | None) -> Strategy:
    check_version(strategy, version)
    in_state("strategy", strategy.state, name)
    before = strategy.state
    getattr(strategy, name)()
    keep(strategy, "state")
    event = StrategyMoved(
        subject=strategy.ref,
        title=str(strategy),
        action=name,
        from_state=before,
        to_state=strategy.state,
        reason=reason.strip()[:2000],
    )
    record(event, actor=actor, before={"state": before}, after={"state": strategy.state}, reason=reason.strip())
    return strategy


STRATEGY_ACTS = {"pause": pause_strategy, "resume": resume_strategy, "end": end_strategy}


@governed("strategy.set_schedule", lock="strategy")
def set_schedule(
    *,
    actor: Actor,
    strategy: Strategy,
    cron: str,
    timezone: str,
    template: Content,
    overlap: str = "skip",
    version: int | None = None,
) -> StrategySchedule:
    """Have the strategy write a story at these times, in the name of the person who sets this.

    `template` is a story's content; its texts may say {date}, {week}, {month} and {number}. Raises `Invalid` with the
    fields (what comes more often than every ten minutes is refused), `Conflict` when it has ended, `Stale`, and `Denied`
    for replacing stories by somebody who may not reset them.
    """
    check_version(strategy, version)
    in_state("strategy", strategy.state, "set_schedule")
    if overlap == Overlap.REPLACE and not actor.has_role("product_owner"):
        raise Denied("Replacing the story before is resetting it, which is for a product owner.")
    table = _timetable(cron, timezone, overlap)
    _check_template(template)
    row = StrategySchedule.objects.filter(strategy=strategy).first() or StrategySchedule(strategy=strategy)
    before = named(row, "cron", "timezone", "overlap", "template") if row.pk else None
    if overlap != Overlap.QUEUE or before is None:
        skip_queued(strategy, actor, "Its schedule was changed, and none waits by the new one.")
    row.cron, row.timezone, row.overlap = table.cron, table.timezone, overlap
    row.template = _storable(template)
    row.owner, row.owner_name = actor.ref, shown(actor)
    row.next_at = table.after(database_now())
    row.save()
    keep(strategy)
    note_starter(actor=actor, subject=strategy.ref, anew=True)
    event = ScheduleSet(
        subject=strategy.ref,
        title=str(strategy),
        cron=row.cron,
        timezone=row.timezone,
        overlap=row.overlap,
        next_at=row.next_at.isoformat(),
    )
    record(event, actor=actor, before=before, after=named(row, "cron", "timezone", "overlap", "template"))
    return row


@governed("strategy.remove_schedule", lock="strategy")
def remove_schedule(*, actor: Actor, strategy: Strategy, version: int | None = None) -> Strategy:
    """Take the schedule away; what it wrote stays, what waits is skipped. Raises `Conflict` when there is none, `Stale`."""
    check_version(strategy, version)
    removed, _ = StrategySchedule.objects.filter(strategy=strategy).delete()
    if not removed:
        raise Conflict("This strategy has no schedule.")
    skip_queued(strategy, actor, "Its schedule was taken away.")
    keep(strategy)
    record(ScheduleRemoved(subject=strategy.ref, title=str(strategy)), actor=actor)
    return strategy


def _timetable(cron: str, timezone: str, overlap: str) -> Timetable:
    problems = Problems("The schedule cannot be set like this.")
    if overlap not in Overlap.values:
        problems.add("overlap", f"Choose one of {', '.join(Overlap.values)}.")
    problems.refuse()
    try:
        return Timetable.of(cron[:100], timezone, database_now())
    except NoTimetable as problem:
        raise Invalid("The schedule cannot be set like this.", fields={problem.field: [str(problem)]}) from None


def _check_template(template: Content) -> None:
    strange = sorted(set(template) - set(TEMPLATE))
    if strange:
        raise Invalid("The template cannot say this.", fields={name: ["Not part of a template."] for name in strange})
    check_content(template, new=True)


def _storable(template: Content) -> dict[str, Any]:
    values: dict[str, Any] = dict(template)
    if values.get("budget_usd") is not None:
        values["budget_usd"] = str(values["budget_usd"])
    return values
