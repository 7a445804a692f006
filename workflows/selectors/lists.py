"""Lists and single rows, always from what the actor may see."""

from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid, NotFound
from workflows.machines import EXECUTING, STORY, TASK, Offer, allowed_actions
from workflows.models import Project, Story, StoryDependency, Task
from workflows.policies import sees_all, sees_as_client
from workflows.selectors.facts import DELIVERED, story_facts, task_facts, who_is

PENDING: dict[str, Q] = {
    "developer": Q(state="todo", role="developer", story__state__in=["ready_for_execution", "in_progress"]),
    "devops": Q(state="todo", role="devops", story__state__in=["ready_for_execution", "in_progress"]),
    "data": Q(state="todo", role="data", story__state__in=["ready_for_execution", "in_progress"]),
    "architect": Q(state="pending_arch_review", story__state__in=EXECUTING),
    "qa": Q(state="pending_qa", story__state__in=EXECUTING),
    "product_owner": Q(state="pending_po_approval", approver="", story__state__in=EXECUTING),
}
"""What waits for each role."""

OWNER_STATES = ("po_review", "planned", "ready_to_review")
"""States in which a story waits for its product owner."""


def stories_visible_to(actor: Actor) -> QuerySet[Story]:
    """Stories that the actor may know of."""
    stories = Story.objects.select_related("project", "epic", "strategy", "sprint")
    if sees_all(actor):
        return stories
    if sees_as_client(actor):
        return stories.filter(client_visible=True, project__client=actor.client)
    return stories.none()


def tasks_visible_to(actor: Actor) -> QuerySet[Task]:
    """Tasks of stories that the actor may know of."""
    tasks = Task.objects.select_related("story__project")
    if sees_all(actor):
        return tasks
    if sees_as_client(actor):
        return tasks.filter(story__client_visible=True, story__project__client=actor.client)
    return tasks.none()


def find_project(actor: Actor, key: str) -> Project:
    """A project by key. Raises `NotFound`, whether it is missing or not the actor's to see."""
    projects = Project.objects.all()
    if not sees_all(actor):
        projects = projects.filter(client=actor.client) if sees_as_client(actor) else projects.none()
    row = projects.filter(key=key).first()
    if row is None:
        raise NotFound(f"There is no project {key}.")
    return row


def find_story(actor: Actor, reference: str) -> Story:
    """A story by reference (`SHOP-142`). Raises `NotFound`, whether it is missing or not the actor's to see."""
    row = stories_visible_to(actor).filter(reference=reference).first()
    if row is None:
        raise NotFound(f"There is no story {reference}.")
    return row


def find_task(actor: Actor, reference: str) -> Task:
    """A task by reference (`SHOP-142.3`). Raises `NotFound`, whether it is missing or not the actor's to see."""
    row = tasks_visible_to(actor).filter(reference=reference).first()
    if row is None:
        raise NotFound(f"There is no task {reference}.")
    return row


def pending_for(actor: Actor, role: str) -> QuerySet[Task]:
    """Tasks that somebody with `role` can take up now. Raises `Invalid` for a role that nothing waits for."""
    waiting = PENDING.get(role)
    if waiting is None:
        raise Invalid("Nothing waits for this role.", fields={"pending_for": [f"Choose one of {', '.join(PENDING)}."]})
    return _unblocked(tasks_visible_to(actor).filter(waiting)).order_by("story__number", "rank")


def claimable() -> QuerySet[Task]:
    """Tasks that nobody holds and that somebody of their role may claim now; for the platform's own use (no actor's)."""
    waiting = reduce(or_, (waits for role, waits in PENDING.items() if role != "product_owner"))
    return _unblocked(Task.objects.filter(waiting, holder=""))


def _unblocked(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Without those that nobody has begun and that wait for another task or, with their whole story, for another story."""
    blocked = Task.objects.filter(dependencies__needs__state__in=[s for s in TASK.states if s not in TASK.terminal])
    early = StoryDependency.objects.exclude(needs__state__in=DELIVERED)
    waits = Q(pk__in=blocked.values("pk")) | Q(story__in=early.values("story"))
    return tasks.exclude(Q(state=TASK.initial) & waits)


def offers_for(actor: Actor, row: Story | Task) -> list[Offer]:
    """What the actor may do with it now, and for the rest why not."""
    if isinstance(row, Task):
        return allowed_actions(TASK, task_facts(row), who_is(actor))
    return allowed_actions(STORY, story_facts(row), who_is(actor))


def waits_for(actor: Actor) -> int:
    """How many stories and tasks wait for the actor's roles."""
    roles = actor.roles & (set(PENDING) - {"product_owner"})
    number = sum(pending_for(actor, role).count() for role in roles)
    if actor.has_role("product_owner"):
        number += stories_visible_to(actor).filter(state__in=OWNER_STATES).count()
    return number
