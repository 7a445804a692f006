"""The states of stories and tasks as their events tell them: a pure fold over a tenant's stream, in its order.

What the tables say now must be what the events say; `manage.py rebuild_states --check` compares the two.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from guildhall.kernel.events import Event
from workflows.events import (
    StoryCreated,
    StoryTransitioned,
    TaskApproved,
    TaskAssigned,
    TaskDerived,
    TaskTransitioned,
    ValidationRequired,
)
from workflows.machines import STORY, TASK

FOLDED: tuple[type[Event], ...] = (
    StoryCreated,
    StoryTransitioned,
    TaskDerived,
    TaskTransitioned,
    TaskAssigned,
    TaskApproved,
    ValidationRequired,
)
"""The events that say how far a story or a task is; no others do."""


@dataclass(frozen=True, slots=True)
class StoryState:
    """A story as its events tell it."""

    state: str


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task as its events tell it; parts are plain references, "" for nobody."""

    state: str
    holder: str = ""
    implementer: str = ""
    approver: str = ""
    commit_sha: str = ""
    rejected_sha: str = ""


@dataclass(slots=True)
class Rebuilt:
    """States by reference. `problems` name events that do not follow from those before them."""

    stories: dict[str, StoryState] = field(default_factory=dict)
    tasks: dict[str, TaskState] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def rebuild(events: Iterable[Event]) -> Rebuilt:
    """Fold `events`, in their order, into the states that they lead to."""
    found = Rebuilt()
    for event in events:
        if isinstance(event, (StoryCreated, StoryTransitioned)):
            _fold_story(found, event)
        elif isinstance(event, FOLDED):
            _fold_task(found, event)
    return found


def _fold_story(found: Rebuilt, event: StoryCreated | StoryTransitioned) -> None:
    before = found.stories.get(event.story)
    if isinstance(event, StoryCreated):
        if before is not None:
            found.problems.append(f"{event.story} is written a second time")
        found.stories[event.story] = StoryState(STORY.initial)
        return
    _check_move(found, event.story, before.state if before else "", event)
    found.stories[event.story] = StoryState(event.to_state)


def _fold_task(found: Rebuilt, event: Event) -> None:
    if isinstance(event, TaskDerived):
        if event.task in found.tasks:
            found.problems.append(f"{event.task} is planned a second time")
        found.tasks[event.task] = TaskState(TASK.initial)
        return
    if not isinstance(event, (TaskTransitioned, TaskAssigned, TaskApproved, ValidationRequired)):
        return
    before = found.tasks.get(event.task)
    if before is None:
        found.problems.append(f"{event.task} is told of before it is planned")
        before = TaskState("")
    if isinstance(event, TaskTransitioned):
        _check_move(found, event.task, before.state, event)
    if isinstance(event, TaskAssigned) and before.holder:
        found.problems.append(f"{event.task} is given to {event.assignee} while {before.holder} holds it")
    found.tasks[event.task] = _after(before, event)


def _after(task: TaskState, event: TaskTransitioned | TaskAssigned | TaskApproved | ValidationRequired) -> TaskState:
    if isinstance(event, TaskAssigned):
        return replace(task, holder=event.assignee)
    if isinstance(event, TaskApproved):
        return replace(task, approver=event.approver)
    if isinstance(event, ValidationRequired):
        return replace(task, commit_sha=event.commit_sha, approver="")
    return TaskState(
        state=event.to_state,
        implementer=event.implementer,
        approver=task.approver if event.to_state == "done" else "",
        commit_sha=event.commit_sha,
        rejected_sha=event.rejected_sha,
    )


def _check_move(found: Rebuilt, reference: str, state: str, event: StoryTransitioned | TaskTransitioned) -> None:
    if event.from_state != state:
        was = state or "nowhere"
        found.problems.append(f"{reference} moves by {event.action} from {event.from_state}, but it was in {was}")
