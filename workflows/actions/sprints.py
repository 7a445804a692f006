"""Sprints: opened, changed, closed. A closing is begun by a person, or by the platform once the last day that was set is over.

It is carried through by the platform, story by story.
"""

from datetime import date, timedelta
from typing import Any, TypedDict

from django.db.models.functions import Now

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from guildhall.kernel.versions import check_version
from workflows.actions.common import named, shown
from workflows.actions.plan_common import Problems, in_state, keep
from workflows.burndown import LONGEST
from workflows.events import SprintOpened
from workflows.models import Project, Sprint
from workflows.plan_events import SprintClosed, SprintClosing, SprintEdited
from workflows.selectors.planned import database_now
from workflows.selectors.sprints import summary_of, unsettled_stories

GOAL_LIMIT = 5000
MOST_POINTS = 10_000
FARTHEST = timedelta(days=366)
"""How far from today a sprint's days may lie: what is farther is a slip of the pen."""


class SprintContent(TypedDict, total=False):
    """What a sprint says; `capacity` in points, None when it is not known."""

    name: str
    goal: str
    capacity: int | None
    starts_on: date | None
    ends_on: date | None


@governed("sprint.open", lock="project")
def open_sprint(*, actor: Actor, project: Project, content: SprintContent) -> Sprint:
    """Open the project's next sprint; without a name it is called by its number, without a start it starts today.

    Raises `Conflict` while another one of the project is open, `Invalid` with the fields.
    """
    running = Sprint.objects.filter(project=project, closed_at__isnull=True).first()
    if running is not None:
        raise Conflict(f"{running.name} of {project.key} is {running.state}; one sprint is open at a time.")
    number = Sprint.objects.filter(project=project).count() + 1
    values: dict[str, Any] = {"starts_on": database_now().date(), **content}
    values["name"] = values.get("name", "").strip() or f"Sprint {number}"
    _check(values, {"starts_on", "ends_on"})
    sprint = Sprint.objects.create(project=project, number=number, **values)
    event = SprintOpened(subject=sprint.ref, project=project.key, name=sprint.name)
    record(event, actor=actor, after=named(sprint, *values))
    return sprint


@governed("sprint.edit", lock="sprint")
def edit_sprint(*, actor: Actor, sprint: Sprint, change: SprintContent, version: int | None = None) -> Sprint:
    """Change an open sprint. Raises `Stale`, `Conflict` when it is not open, `Invalid` with the fields."""
    check_version(sprint, version)
    in_state("sprint", sprint.state, "edit")
    values: dict[str, Any] = dict(change)
    if not values:
        raise Invalid("Nothing is to change.", fields={"sprint": ["Say what is to change."]})
    dates = {"starts_on": sprint.starts_on, "ends_on": sprint.ends_on}
    _check({**dates, **values}, {name for name, known in dates.items() if values.get(name) != known})
    before = named(sprint, *values)
    for field, value in values.items():
        setattr(sprint, field, value.strip() if isinstance(value, str) else value)
    keep(sprint, *values)
    event = SprintEdited(subject=sprint.ref, project=sprint.project.key, name=sprint.name, fields=sorted(values))
    record(event, actor=actor, before=before, after=named(sprint, *values))
    return sprint


def _check(values: dict[str, Any], new: set[str]) -> None:
    """Raises `Invalid` with the fields; a day that is not among the `new` ones stays, however long ago it is."""
    problems = Problems("The sprint cannot be like this.")
    problems.text(values, "name", 120, required="Give it a name.")
    problems.text(values, "goal", GOAL_LIMIT)
    capacity = values.get("capacity")
    if capacity is not None and not 1 <= capacity <= MOST_POINTS:
        problems.add("capacity", f"Give 1 to {MOST_POINTS} points, or leave it open.")
    starts, ends = values.get("starts_on"), values.get("ends_on")
    if starts is not None and ends is not None:
        if ends < starts:
            problems.add("ends_on", "It ends before it starts.")
        elif (ends - starts).days >= LONGEST:
            problems.add("ends_on", f"At most {LONGEST} days.")
    today = database_now().date()
    for name in sorted(new):
        if (day := values.get(name)) is not None and abs(day - today) > FARTHEST:
            problems.add(name, f"Give a day within {FARTHEST.days} days of today.")
    if "ends_on" in new and ends is not None and ends < today:
        # The platform closes what is over; setting a day that has passed would be closing it, which is another right.
        problems.add(
            "ends_on", "This day is over. A sprint closes by itself after its last day (UTC); give today or later."
        )
    problems.refuse()


@governed("sprint.close", lock="sprint")
def close_sprint(*, actor: Actor, sprint: Sprint, version: int | None = None) -> Sprint:
    """Begin to close a sprint: from here no story enters it, and each of its stories is settled by an act of its own.

    Accepted stories with the receipt of their outcome become done, unfinished ones are carried over; `finish_closing` ends
    it. Raises `Conflict` when it is being closed or closed already, `Stale`.
    """
    check_version(sprint, version)
    return _begin_closing(actor, sprint)


@governed("sprint.end", lock="sprint")
def end_sprint(*, actor: Actor, sprint: Sprint) -> Sprint:
    """Do what `close_sprint` does for a sprint whose last day is over by the database's date (UTC).

    Raises `Conflict` when it is not over, has no last day, or is being closed or closed already.
    """
    if sprint.ends_on is None or sprint.ends_on >= database_now().date():
        raise Conflict("Its last day is not over.")
    return _begin_closing(actor, sprint)


def _begin_closing(actor: Actor, sprint: Sprint) -> Sprint:
    in_state("sprint", sprint.state, "close")
    sprint.begin_closing()
    sprint.closing_at = Now()
    sprint.closed_by, sprint.closed_by_name = actor.ref, shown(actor)
    keep(sprint, "state", "closing_at", "closed_by", "closed_by_name")
    event = SprintClosing(subject=sprint.ref, project=sprint.project.key, name=sprint.name)
    record(event, actor=actor, before={"state": "open"}, after={"state": "closing"})
    return sprint


@governed("sprint.finish_closing", lock="sprint")
def finish_closing(*, actor: Actor, sprint: Sprint) -> Sprint:
    """End a closing whose stories are all settled, and keep what the sprint came to. Raises `Conflict` otherwise."""
    if sprint.state != "closing":
        raise Conflict(f"This sprint is {sprint.state}.")
    left = [story.reference for story, _ in unsettled_stories(sprint)]
    if left:
        raise Conflict(f"Not settled yet: {', '.join(left)}.")
    summary = summary_of(sprint)
    sprint.finish_closing()
    sprint.closed_at, sprint.summary = Now(), summary.as_dict()
    keep(sprint, "state", "closed_at", "summary")
    event = SprintClosed(
        subject=sprint.ref,
        project=sprint.project.key,
        name=sprint.name,
        done=len(summary.done),
        carried=len(summary.carried),
        kept=len(summary.kept),
    )
    record(event, actor=actor, before={"state": "closing"}, after={"state": "closed", "summary": sprint.summary})
    return sprint
