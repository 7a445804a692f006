"""Stories and tasks as pages show them: tones, the way through the states, and what the reader may do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from governance.selectors import spend_of_each
from guildhall.kernel.actor import Actor
from guildhall.portal.registry import Party, parties
from workflows.machines import STORY, TASK, Machine, Offer
from workflows.machines.core import held_by
from workflows.models import Label, Story, Task
from workflows.selectors.facts import who_is

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Shape", ("draft", "po_review")),
    ("Plan", ("ready_for_planning", "planned", "ready_for_execution")),
    ("Build", ("in_progress", "code_review")),
    ("Verify", ("testing", "ready_to_review")),
    ("Close", ("accepted", "done")),
)
"""The main way of a story, as the board's columns; carried over and archived stories are parked beside it."""

MAIN_WAY = tuple(state for _, states in GROUPS for state in states)
STORY_TONES = {
    "po_review": "t-wait",
    "in_progress": "t-run",
    "code_review": "t-run",
    "testing": "t-run",
    "ready_to_review": "t-wait",
    "accepted": "t-ok",
    "done": "t-ok",
}
TASK_WAY = tuple(state for state in TASK.states if state != "cancelled")
TASK_TONES = {
    "implementing": "t-run",
    "pending_arch_review": "t-run",
    "arch_reviewing": "t-run",
    "pending_qa": "t-run",
    "qa_testing": "t-run",
    "pending_po_approval": "t-wait",
    "done": "t-ok",
}
SERIOUS = frozenset({"carry_over", "drop", "archive", "discard_task", "release"})
"""Acts that ask once more before they happen."""


@dataclass(frozen=True, slots=True)
class State:
    """A story's state on the board or in a row: `progress` is 0 to 100 of the main way, -1 when parked."""

    key: str
    label: str
    progress: int
    tone: str


def story_state(key: str) -> State:
    progress = 100 * MAIN_WAY.index(key) // (len(MAIN_WAY) - 1) if key in MAIN_WAY else -1
    return State(key, STORY.states[key], progress, STORY_TONES.get(key, "t-idle"))


def droppable(actor: Actor, state: str) -> list[str]:
    """States into which the actor's roles may move a story from `state`; each story's own rules are asked on the move."""
    held = held_by(who_is(actor))
    rows = [row for row in STORY.leaving(state) if not row.automatic and not row.decided_by and held & set(row.who)]
    return list(dict.fromkeys(row.target for row in rows))


@dataclass(frozen=True, slots=True)
class Step:
    """One state in the stepper: `place` is past, now or nothing yet."""

    label: str
    place: str


def stepper(story: Story) -> list[tuple[str, list[Step]]]:
    """The main way by groups, as far as the story has come; a parked story has no place on it."""
    at = MAIN_WAY.index(story.state) if story.state in MAIN_WAY else -1

    def place(state: str) -> str:
        index = MAIN_WAY.index(state)
        if story.state == "done" or index < at:
            return "past"
        return "now" if index == at else ""

    return [(name, [Step(STORY.states[state], place(state)) for state in states]) for name, states in GROUPS]


@dataclass(frozen=True, slots=True)
class Card:
    """A story on the board or in the list."""

    story: Story
    state: State
    done: int
    total: int
    working: bool
    people: list[Party]
    cost: Decimal | None
    labels: list[Label]
    assignee: Party | None

    @property
    def url(self) -> str:
        return f"/stories/{self.story.reference}/"


def cards(stories: Sequence[Story], *, with_cost: bool) -> dict[str, Card]:
    """Cards by reference; tasks and labels are expected to be prefetched. Names and costs take one look-up each."""
    tasks = {story.reference: [task for task in story.tasks.all() if task.state != "cancelled"] for story in stories}
    involved = {story.reference: _involved(story, tasks[story.reference]) for story in stories}
    assigned = [story.assignee for story in stories if story.assignee]
    known = parties([*(ref for refs in involved.values() for ref in refs), *assigned])
    costs = spend_of_each("story", list(tasks)) if with_cost and tasks else {}
    return {
        story.reference: Card(
            story=story,
            state=story_state(story.state),
            done=sum(task.state == "done" for task in tasks[story.reference]),
            total=len(tasks[story.reference]),
            working=any(task.holder.startswith("agent:") for task in tasks[story.reference]),
            people=[known[ref] for ref in involved[story.reference]],
            cost=costs.get(story.reference),
            labels=list(story.labels.all()) if with_cost else [],
            assignee=known.get(story.assignee),
        )
        for story in stories
    }


def _involved(story: Story, tasks: Iterable[Task]) -> list[str]:
    """Who is at it, or else who wrote it; three at most."""
    refs = [ref for task in tasks for ref in (task.holder, task.implementer) if ref]
    return list(dict.fromkeys(refs or [story.author]))[:3]


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task in its story's table."""

    task: Task
    label: str
    tone: str
    steps: int
    who: Party | None
    cost: Decimal | None


def task_rows(tasks: Sequence[Task], *, with_cost: bool) -> list[TaskRow]:
    """Rows with names and costs, one look-up each."""
    known = parties(ref for task in tasks for ref in (task.holder, task.implementer) if ref)
    costs = spend_of_each("task", [task.reference for task in tasks]) if with_cost and tasks else {}
    return [
        TaskRow(
            task=task,
            label=TASK.states[task.state],
            tone=TASK_TONES.get(task.state, "t-idle"),
            steps=TASK_WAY.index(task.state) + 1 if task.state in TASK_WAY else 0,
            who=known.get(task.holder) or known.get(task.implementer),
            cost=costs.get(task.reference),
        )
        for task in tasks
    ]


@dataclass(frozen=True, slots=True)
class Act:
    """Something that the reader can do now. `simple` acts are one button, the others a form behind a summary."""

    name: str
    label: str
    leads_to: str
    effect: str
    needs: tuple[str, ...]
    primary: bool

    @property
    def simple(self) -> bool:
        return not self.needs and self.name not in SERIOUS

    @property
    def serious(self) -> bool:
        return self.name in SERIOUS


@dataclass(frozen=True, slots=True)
class Acts:
    """What the reader may do, what not and why, and what the platform does by itself."""

    possible: list[Act]
    refused: list[tuple[str, str]]

    def named(self, name: str) -> bool:
        return any(act.name == name for act in self.possible)


def acts_of(machine: Machine[Any], state: str, offers: Sequence[Offer], given: Mapping[str, bool]) -> Acts:
    """Sort the machine's offers. `given` says of inputs that are there already (`tasks`: an open proposal)."""
    possible: list[Act] = []
    refused = []
    for offer in offers:
        if offer.automatic or offer.decided_by:
            continue
        if not offer.allowed:
            refused.append((offer.label, " ".join(offer.reasons)))
            continue
        needs = tuple(need for need in offer.needs if not given.get(f"{offer.action}.{need}"))
        row = machine.row(state, offer.action)
        first = not needs and offer.action not in SERIOUS and not any(act.primary for act in possible)
        effect = row.effect if row else ""
        possible.append(Act(offer.action, offer.label, machine.states[offer.target], effect, needs, first))
    return Acts(possible, refused)
