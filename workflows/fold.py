"""What a tenant's events say of its plans, stories and tasks: a pure fold over its stream, in its order.

What the tables say now must be what the events say; `manage.py rebuild_states --check` compares the two. Kept out are what
somebody wrote (titles, briefs, reports), whose changes are told by name alone, and times.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from guildhall.kernel.events import Event
from workflows.comfort_events import StoryAssigned
from workflows.events import (
    ProposalSettled,
    SprintOpened,
    StoryCreated,
    StoryEdited,
    StoryTransitioned,
    TaskApproved,
    TaskAssigned,
    TaskDerived,
    TasksProposed,
    TaskTransitioned,
    ValidationRequired,
)
from workflows.fold_plans import COUNCILS, PLANS, CouncilTold, PlanState, council_told, plan_of, plan_told, planned_anew
from workflows.fold_tasks import TaskEvent, TaskState, after
from workflows.machines import STORY, TASK

OF_PROPOSALS: tuple[type[Event], ...] = (TasksProposed, ProposalSettled)
OF_STORIES: tuple[type[Event], ...] = (StoryCreated, StoryEdited, StoryAssigned, StoryTransitioned)
OF_TASKS: tuple[type[Event], ...] = (TaskTransitioned, TaskAssigned, TaskApproved, ValidationRequired)
FOLDED: tuple[type[Event], ...] = (*OF_STORIES, *OF_PROPOSALS, TaskDerived, *OF_TASKS, *PLANS, *COUNCILS)
"""The events that say how far something is; no others do."""

ENTERING = ("commit_to_sprint", "continue")
LEAVING = ("reset", "carry_over", "drop")
"""Acts by which a story comes into its project's open sprint, and out of its sprint."""


@dataclass(frozen=True, slots=True)
class StoryState:
    """A story as its events tell it: `sprint` and `assignee` are plain references, "" for none.

    `proposal` is what became of the planner's last one, "" where there is none, None where events of before `ProposalSettled`
    do not tell.
    """

    state: str
    sprint: str = ""
    assignee: str = ""
    feedback: str = ""
    tasks_made: int = 0
    dor_score: int = 0
    proposal: str | None = ""


@dataclass(slots=True)
class Rebuilt:
    """States by reference. `problems` name events that do not follow from those before them."""

    stories: dict[str, StoryState] = field(default_factory=dict)
    tasks: dict[str, TaskState] = field(default_factory=dict)
    plans: dict[str, PlanState] = field(default_factory=dict)
    councils: dict[str, CouncilTold] = field(default_factory=dict)
    sprints: dict[str, str] = field(default_factory=dict)
    """By project's key: the sprint that was opened last."""
    problems: list[str] = field(default_factory=list)


def rebuild(events: Iterable[Event]) -> Rebuilt:
    """Fold `events`, in their order, into the states that they lead to."""
    found = Rebuilt()
    for event in events:
        if isinstance(event, (StoryCreated, StoryEdited, StoryAssigned, StoryTransitioned)):
            _fold_story(found, event)
        elif isinstance(event, (TasksProposed, ProposalSettled)):
            _fold_proposal(found, event)
        elif isinstance(event, TaskDerived):
            _plan_task(found, event)
        elif isinstance(event, (TaskTransitioned, TaskAssigned, TaskApproved, ValidationRequired)):
            _fold_task(found, event)
        elif isinstance(event, PLANS):
            _fold_plan(found, event)
        elif isinstance(event, COUNCILS):
            found.councils[event.subject] = council_told(event, found.councils.get(event.subject))
    return found


def _fold_story(found: Rebuilt, event: StoryCreated | StoryEdited | StoryAssigned | StoryTransitioned) -> None:
    before = found.stories.get(event.story)
    if isinstance(event, StoryCreated):
        if before is not None:
            found.problems.append(f"{event.story} is written a second time")
        found.stories[event.story] = StoryState(STORY.initial, dor_score=event.score)
        return
    story = before or StoryState("")
    if isinstance(event, StoryEdited):
        story = replace(story, dor_score=event.score)
    elif isinstance(event, StoryAssigned):
        story = replace(story, assignee=event.assignee)
    else:
        _check_move(found, event.story, story.state, event)
        planned_anew(found.councils, event)
        sprint = _sprint_after(found, story, event)
        untold = event.action == "derive_tasks" and story.proposal == "proposed"
        proposal = None if untold else story.proposal
        story = replace(story, state=event.to_state, feedback=event.feedback, sprint=sprint, proposal=proposal)
    found.stories[event.story] = story


def _fold_proposal(found: Rebuilt, event: TasksProposed | ProposalSettled) -> None:
    if isinstance(event, TasksProposed):
        state = "failed" if event.problems else "proposed"
    else:
        state = "accepted" if event.accepted else "replaced"
    found.stories[event.story] = replace(found.stories.get(event.story, StoryState("")), proposal=state)


def _sprint_after(found: Rebuilt, story: StoryState, event: StoryTransitioned) -> str:
    if event.action in ENTERING:
        return found.sprints.get(event.story.rpartition("-")[0], "")
    return "" if event.action in LEAVING else story.sprint


def _plan_task(found: Rebuilt, event: TaskDerived) -> None:
    if event.task in found.tasks:
        found.problems.append(f"{event.task} is planned a second time")
    found.tasks[event.task] = TaskState(TASK.initial)
    story = found.stories.get(event.story, StoryState(""))
    found.stories[event.story] = replace(story, tasks_made=story.tasks_made + 1)


def _fold_task(found: Rebuilt, event: TaskEvent) -> None:
    before = found.tasks.get(event.task)
    if before is None:
        found.problems.append(f"{event.task} is told of before it is planned")
        before = TaskState("")
    if isinstance(event, TaskTransitioned):
        _check_move(found, event.task, before.state, event)
    if isinstance(event, TaskAssigned) and before.holder:
        found.problems.append(f"{event.task} is given to {event.assignee} while {before.holder} holds it")
    found.tasks[event.task] = after(before, event)


def _fold_plan(found: Rebuilt, event: Event) -> None:
    reference = plan_of(event)
    found.plans[reference] = plan_told(event, found.plans.get(reference))
    if isinstance(event, SprintOpened):
        found.sprints[event.project] = event.subject


def _check_move(found: Rebuilt, reference: str, state: str, event: StoryTransitioned | TaskTransitioned) -> None:
    if event.from_state != state:
        was = state or "nowhere"
        found.problems.append(f"{reference} moves by {event.action} from {event.from_state}, but it was in {was}")
