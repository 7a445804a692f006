"""What acts on a whole story write into its tasks: making, reopening, stopping. Called inside their transactions."""

from collections.abc import Sequence

from django.db.models.functions import Now

from guildhall.kernel.actions import record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid
from workflows.actions.common import lease_for, save
from workflows.events import TaskAssigned, TaskDerived, TaskTransitionedV2
from workflows.machines import IMPLEMENTER, TASK, TaskFacts
from workflows.machines.task_effects import reopened, retired, stopped
from workflows.models import ProjectRepository, Story, Task, TaskDependency
from workflows.planning import TaskDraft, problems_of, strange_needs
from workflows.selectors.facts import task_facts

CLAIM_COLUMNS = ("holder", "holder_name", "lease_until", "claim_token")
OUTCOME_COLUMNS = ("implementer", "reviewer", "tester", "approver", "commit_sha", "rejected_sha", "handed_in")


def make_tasks(story: Story, drafts: Sequence[TaskDraft], actor: Actor) -> list[Task]:
    """Tasks of these drafts, numbered on from the story's last one. Raises `Invalid` with what is wrong with them."""
    stand = _standing(story) if any(draft.needs for draft in drafts) else {}
    if problems := [*problems_of(drafts), *strange_needs(drafts, stand)]:
        raise Invalid(" ".join(problems), fields={"tasks": problems})
    repositories = [repository_of(story, draft.repository) for draft in drafts]
    first = story.tasks_made
    tasks = [
        Task.objects.create(
            story=story,
            number=first + place,
            reference=f"{story.reference}.{first + place}",
            rank=first + place,
            title=draft.title.strip(),
            role=draft.role,
            acceptance=list(draft.acceptance or story.acceptance),
            evidence=story.evidence,
            repository=repositories[place - 1],
            size=draft.size,
            risk=draft.risk,
        )
        for place, draft in enumerate(drafts, 1)
    ]
    story.tasks_made = first + len(drafts)
    for task, draft in zip(tasks, drafts, strict=True):
        needs = [tasks[number - 1] for number in sorted(set(draft.depends_on))]
        needs += [stand[reference] for reference in sorted(set(draft.needs))]
        TaskDependency.objects.bulk_create([TaskDependency(task=task, needs=other) for other in needs])
        event = TaskDerived(
            subject=task.ref, story=story.reference, task=task.reference, title=task.title, role=task.role
        )
        record(event, actor=actor, after=draft.as_dict())
    return tasks


def _standing(story: Story) -> dict[str, Task]:
    """What new tasks may wait for, by reference."""
    return {task.reference: task for task in story.tasks.exclude(state="cancelled").order_by("number")}


def repository_of(story: Story, name: str) -> ProjectRepository | None:
    """The project's repository of this name; None for "", which stands for the primary one. Raises `Invalid`."""
    if not name:
        return None
    row = story.project.repositories.filter(name=name).first()
    if row is None:
        problem = f"{story.project.key} has no repository {name[:60]}."
        raise Invalid(problem, fields={"repository": [problem]})
    return row


def reopen_tasks(story: Story, references: Sequence[str], feedback: str, actor: Actor) -> None:
    """Send the named tasks back to their implementers with the feedback."""
    for task in story.tasks.select_for_update().filter(reference__in=references).order_by("number"):
        facts = task_facts(task)
        following = reopened(facts)
        if following == facts:
            continue
        task.feedback = feedback
        task.merged_sha = ""
        _move(task, facts, following, "reopen", actor, feedback)


def stop_tasks(story: Story, action: str, actor: Actor) -> None:
    """Release every claim and take back approvals that were not executed; finished tasks stay as they are."""
    for task in story.tasks.select_for_update().exclude(state__in=["done", "cancelled"]).order_by("number"):
        facts = task_facts(task)
        following = stopped(facts)
        if following != facts:
            _move(task, facts, following, action, actor, "")


def retire_tasks(story: Story, actor: Actor) -> None:
    """Cancel what an earlier plan left and nothing was handed in for: the plan that is accepted now takes its place."""
    for task in story.tasks.select_for_update().filter(state=TASK.initial).order_by("number"):
        facts = task_facts(task)
        following = retired(facts)
        if following != facts:
            _move(task, facts, following, "discard_task", actor, "A new plan took its place.")


def _move(task: Task, facts: TaskFacts, following: TaskFacts, action: str, actor: Actor, feedback: str) -> None:
    before = task.state
    if following.state != before:
        task.moved_by_story(following.state)
    write_facts(task, following)
    save(task, "state", "feedback", "merged_sha", *CLAIM_COLUMNS, *OUTCOME_COLUMNS)
    record(moved_event(task, before, action, actor, feedback), actor=actor, reason=feedback)
    if following.holder and following.holder != facts.holder:
        record(assigned_event(task, IMPLEMENTER, feedback), actor=actor)


def write_facts(task: Task, facts: TaskFacts, name: str = "") -> None:
    """Put what the machine says into the row's columns; a new holder gets a lease and a token of its own."""
    if facts.holder != task.holder:
        task.claim_token += 1
        task.holder_name = (name or _name_of(task, facts.holder)) if facts.holder else ""
        task.lease_until = Now() + lease_for(facts.holder) if facts.holder else None
    task.holder = facts.holder
    task.implementer, task.reviewer, task.tester = facts.implementer, facts.reviewer, facts.tester
    task.commit_sha, task.rejected_sha = facts.commit_sha, facts.rejected_sha
    task.handed_in = [*task.handed_in, *(facts.earlier_shas - set(task.handed_in))]
    if not facts.approved and facts.state != "done":
        task.approver = ""


def _name_of(task: Task, ref: str) -> str:
    part = task.parts.filter(actor=ref).first()
    return part.actor_name if part else ref


def moved_event(task: Task, before: str, action: str, actor: Actor, feedback: str) -> TaskTransitionedV2:
    """The event of a task's move."""
    return TaskTransitionedV2(
        subject=task.ref,
        story=task.story.reference,
        task=task.reference,
        action=action,
        from_state=before,
        to_state=task.state,
        actor=actor.ref,
        role=task.role,
        implementer=task.implementer,
        commit_sha=task.commit_sha,
        rejected_sha=task.rejected_sha,
        merged_sha=task.merged_sha,
        feedback=feedback,
    )


def assigned_event(task: Task, part: str, feedback: str) -> TaskAssigned:
    """The event of a claim."""
    return TaskAssigned(
        subject=task.ref,
        story=task.story.reference,
        task=task.reference,
        assignee=task.holder,
        part=part,
        claim_token=task.claim_token,
        feedback=feedback,
    )
