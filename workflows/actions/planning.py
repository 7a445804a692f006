"""A planner's proposal as rows, and what people do to tasks before they are claimed."""

from collections.abc import Sequence
from typing import Any, TypedDict

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from guildhall.kernel.versions import check_version
from workflows.actions.common import named, save, shown
from workflows.actions.progress import note_progress
from workflows.actions.task_acts import lock_task
from workflows.actions.tasks_of import make_tasks, repository_of
from workflows.events import TaskEdited, TasksProposed, TasksReordered
from workflows.models import Derivation, Story, Task, TaskDependency
from workflows.models.planning import DerivationState
from workflows.planning import DerivationFailed, Derived, TaskDraft, problems_of, strange_needs
from workflows.selectors.facts import standing_tasks, task_cycle

PLANNABLE = ("ready_for_planning",)
ADDABLE = ("planned", "ready_for_execution", "in_progress")


class TaskChange(TypedDict, total=False):
    """What may be changed in a task that nobody has begun; `depends_on` are references of the same story's tasks.

    `repository` names the one of the project's that it changes, "" the primary one.
    """

    title: str
    role: str
    acceptance: list[str]
    size: str
    risk: str
    depends_on: list[str]
    repository: str


@governed("story.propose_tasks", lock="story")
def record_proposal(*, actor: Actor, story: Story, result: Derived | DerivationFailed) -> Derivation:
    """Keep what the planner brought, or why it brought nothing. An earlier open proposal is replaced.

    What needs a task that stood when it was planned, and does so no more, is kept as failed. The story is a version on, as
    whoever accepts the tasks accepts those of a version that they saw. Raises `Conflict` when the story is not being planned.
    """
    _plannable(story)
    story.derivations.filter(state=DerivationState.PROPOSED).update(state=DerivationState.REPLACED)
    if isinstance(result, Derived) and (lost := _strange_needs(story, result.drafts)):
        result = DerivationFailed(tuple(lost), "", result.attempts)
    failed = isinstance(result, DerivationFailed)
    drafts = [] if isinstance(result, DerivationFailed) else [draft.as_dict() for draft in result.drafts]
    row = Derivation.objects.create(
        story=story,
        state=DerivationState.FAILED if failed else DerivationState.PROPOSED,
        drafts=drafts,
        problems=list(result.problems) if isinstance(result, DerivationFailed) else [],
        raw=result.raw if isinstance(result, DerivationFailed) else "",
        attempts=result.attempts,
        proposer=actor.ref,
        proposer_name=shown(actor),
    )
    save(story)
    event = TasksProposed(subject=story.ref, story=story.reference, count=len(drafts), problems=row.problems)
    record(event, actor=actor, after={"drafts": drafts})
    return row


@governed("story.edit_proposal", lock="story")
def edit_proposal(*, actor: Actor, story: Story, drafts: Sequence[TaskDraft], version: int | None = None) -> Derivation:
    """Replace the drafts of the open proposal, edited or reordered; the story is a version on.

    Raises `Stale` when `version` is not the story's present one, and `Invalid` naming circles and gaps.
    """
    check_version(story, version)
    _plannable(story)
    problems = [*problems_of(drafts), *_strange_needs(story, drafts)]
    if problems:
        raise Invalid(" ".join(problems), fields={"tasks": problems})
    for draft in drafts:
        repository_of(story, draft.repository)
    row, _ = Derivation.objects.get_or_create(
        story=story,
        state=DerivationState.PROPOSED,
        defaults={"proposer": actor.ref, "proposer_name": shown(actor)},
    )
    before = row.drafts
    row.drafts = [draft.as_dict() for draft in drafts]
    row.save(update_fields=["drafts"])
    save(story)
    row.story = story
    event = TasksProposed(subject=story.ref, story=story.reference, count=len(drafts))
    record(event, actor=actor, before={"drafts": before}, after={"drafts": row.drafts})
    return row


@governed("story.add_task", lock="story")
def add_task(*, actor: Actor, story: Story, draft: TaskDraft, version: int | None = None) -> Task:
    """Add a task to a planned story. Raises `Conflict` in other states, `Invalid` for the draft, `Stale`."""
    check_version(story, version)
    if story.state not in ADDABLE:
        raise Conflict("Tasks are added while a story is planned or in progress.")
    (task,) = make_tasks(story, [draft], actor)
    save(story, "tasks_made")
    note_progress(story, "add_task")
    return task


def edit_task(
    *,
    actor: Actor,
    task: Task,
    change: TaskChange,
    version: int | None = None,
    story_version: int | None = None,
) -> Task:
    """Change a task that nobody has begun; its story is a version on, as whoever commits it commits its tasks.

    Raises `Stale` when `version` is not the task's present one or `story_version` not its story's, `Conflict`, and
    `Invalid` naming a circle or a field.
    """
    return _edit(actor=actor, story=task.story, task=task, change=change, version=version, story_version=story_version)


@governed("story.edit_task", lock="story")
def _edit(
    *, actor: Actor, story: Story, task: Task, change: TaskChange, version: int | None, story_version: int | None
) -> Task:
    row = lock_task(story, task)
    check_version(row, version)
    check_version(story, story_version)
    if row.state != "todo":
        raise Conflict(f"{row.reference} has been begun; it changes no more.")
    values: dict[str, Any] = dict(change)
    needs = values.pop("depends_on", None)
    if "repository" in values:
        values["repository"] = repository_of(story, values["repository"])
    draft = _checked(row, {name: value for name, value in values.items() if name != "repository"})
    before = named(row, *values)
    row.title, row.role, row.size, row.risk = draft.title.strip(), draft.role, draft.size, draft.risk
    row.acceptance = list(draft.acceptance)
    if "repository" in values:
        row.repository = values["repository"]
    if needs is not None:
        _depend(story, row, needs)
    save(row, *values)
    save(story)
    event = TaskEdited(subject=row.ref, story=story.reference, task=row.reference, fields=sorted(change))
    record(event, actor=actor, before=before, after=named(row, *values))
    return row


def _checked(task: Task, values: dict[str, Any]) -> TaskDraft:
    present = {name: getattr(task, name) for name in ("title", "role", "acceptance", "size", "risk")}
    try:
        draft = TaskDraft.from_dict({**present, **values})
        problems = problems_of([draft])
    except ValueError as error:
        problems = [f"{error}."]
    if problems:
        raise Invalid(" ".join(problems), fields={"task": problems})
    return draft


def _depend(story: Story, task: Task, references: Sequence[str]) -> None:
    found = list(story.tasks.filter(reference__in=references).exclude(pk=task.pk))
    missing = sorted(set(references) - {other.reference for other in found})
    if missing:
        problem = f"Not a task of this story: {', '.join(missing)}."
        raise Invalid(problem, fields={"depends_on": [problem]})
    task.dependencies.all().delete()
    TaskDependency.objects.bulk_create([TaskDependency(task=task, needs=other) for other in found])
    cycle = task_cycle(story)
    if cycle:
        problem = f"Tasks would wait for each other: {' -> '.join([*cycle, cycle[0]])}."
        raise Invalid(problem, fields={"depends_on": [problem]})


@governed("story.reorder_tasks", lock="story")
def reorder_tasks(*, actor: Actor, story: Story, order: Sequence[str], version: int | None = None) -> list[Task]:
    """Show the story's tasks in this order of references; the story is a version on.

    Raises `Stale` when `version` is not the story's present one, and `Invalid` unless each is named once.
    """
    check_version(story, version)
    tasks = {task.reference: task for task in story.tasks.select_for_update().order_by("pk")}
    if sorted(order) != sorted(tasks):
        problem = f"Name each once: {', '.join(sorted(tasks))}."
        raise Invalid("The order does not fit the story's tasks.", fields={"order": [problem]})
    for rank, reference in enumerate(order, 1):
        Task.objects.filter(pk=tasks[reference].pk).update(rank=rank)
    save(story)
    record(TasksReordered(subject=story.ref, story=story.reference, tasks=list(order)), actor=actor)
    return list(story.tasks.order_by("rank"))


def _strange_needs(story: Story, drafts: Sequence[TaskDraft]) -> list[str]:
    """What the drafts of a proposal need of tasks that will not stand beside them, in words."""
    if not any(draft.needs for draft in drafts):
        return []
    return strange_needs(drafts, [task.ref for task in standing_tasks(story)])


def _plannable(story: Story) -> None:
    if story.state not in PLANNABLE:
        raise Conflict("Tasks are proposed while the story is ready for planning.")
