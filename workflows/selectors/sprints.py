"""Sprints: what is in them, what remains of it day by day, what a closing has still to do, what it came to."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from governance.selectors import spend_by
from guildhall.kernel.actor import Actor
from workflows.burndown import ENTERED, Change, Day, burn_down, points_of
from workflows.machines import EXECUTING, STORY, Given, StoryFacts, TaskLine, refusals
from workflows.models import Sprint, SprintChange, Story
from workflows.rollup import SYSTEM
from workflows.selectors.lists import stories_visible_to
from workflows.selectors.planned import database_now


@dataclass(frozen=True, slots=True)
class Kept:
    """A story that a closing left accepted, and why."""

    story: str
    why: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a sprint came to: references by outcome, points, and what its stories cost while it was open."""

    done: list[str] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    points_committed: int = 0
    points_done: int = 0
    cost_usd: str = "0"
    tokens_in: int = 0
    tokens_out: int = 0
    calls: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For storing and showing."""
        return asdict(self)


def burn_down_of(sprint: Sprint) -> list[Day]:
    """The sprint's days from its history alone; see `workflows.burndown`."""
    rows = SprintChange.objects.filter(sprint=sprint).order_by("id")
    changes = [Change(row.at, row.points, row.tasks, row.cause == ENTERED) for row in rows]
    until: datetime = sprint.closed_at or database_now()
    return burn_down(changes, sprint.starts_on or sprint.created_at.date(), sprint.ends_on, until)


def unsettled_stories(sprint: Sprint) -> list[tuple[Story, str]]:
    """Stories that the closing has still to move, each with the act that does it.

    An accepted story without the receipt of its outcome is not among them: it stays accepted.
    """
    todo = []
    for story in _members(sprint, *EXECUTING, "accepted"):
        if story.state != "accepted":
            todo.append((story, "carry_over"))
        elif not why_kept(story):
            todo.append((story, "close"))
    return todo


def why_kept(story: Story) -> str:
    """Why an accepted story cannot be closed, in words; "" when it can."""
    # A circle of tasks and a budget say nothing about a closing: they are not asked for, story by story.
    tasks = tuple(TaskLine(task.reference, task.state, bool(task.merged_sha)) for task in story.tasks.all())
    facts = StoryFacts(state=story.state, dor_score=story.dor_score, tasks=tasks)
    against = refusals(STORY, "close", facts, SYSTEM, Given())
    return " ".join(refusal.reason for refusal in against)


def _members(sprint: Sprint, *states: str) -> list[Story]:
    found = Story.objects.filter(sprint=sprint, state__in=states).select_related("project").prefetch_related("tasks")
    return list(found.order_by("number"))


def summary_of(sprint: Sprint) -> Summary:
    """What the sprint has come to until now."""
    ever = _ever(sprint)
    done = _members(sprint, "done", "archived")
    left = {story.reference: cause for story, (cause, _) in ever.items() if story.sprint_id != sprint.pk}
    spent, tokens_in, tokens_out, calls = _spent(sprint, {story.reference for story in ever})
    return Summary(
        done=[story.reference for story in done],
        carried=sorted((ref for ref, cause in left.items() if cause == "carry_over"), key=_number),
        kept=[Kept(story.reference, why_kept(story)) for story in _members(sprint, "accepted")],
        removed=sorted((ref for ref, cause in left.items() if cause != "carry_over"), key=_number),
        points_committed=sum(points for _, points in ever.values()),
        points_done=sum(points_of(story.size) for story in done),
        cost_usd=f"{spent:f}",
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        calls=calls,
    )


def _number(reference: str) -> int:
    return int(reference.rpartition("-")[2])


def _ever(sprint: Sprint) -> dict[Story, tuple[str, int]]:
    """Every story that was ever in the sprint: what moved it last there, and with how many points it came in."""
    found: dict[Story, tuple[str, int]] = {}
    for row in SprintChange.objects.filter(sprint=sprint).select_related("story").order_by("id"):
        _, points = found.get(row.story, ("", 0))
        found[row.story] = (row.cause, max(points, row.points) if row.cause == ENTERED else points)
    return found


def _spent(sprint: Sprint, references: set[str]) -> tuple[Decimal, int, int, int]:
    lines = spend_by("story", since=sprint.created_at, until=sprint.closed_at)
    mine = [line for line in lines if line.owner in references]
    return (
        sum((line.spent for line in mine), Decimal(0)),
        sum(line.tokens_in for line in mine),
        sum(line.tokens_out for line in mine),
        sum(line.calls for line in mine),
    )


def stories_in(actor: Actor, sprint: Sprint) -> QuerySet[Story]:
    """The sprint's present stories with their tasks and labels, in order."""
    found = stories_visible_to(actor).filter(sprint=sprint).prefetch_related("tasks", "labels")
    return found.order_by("number")
