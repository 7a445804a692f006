"""Lists and single rows, always from what the actor may see."""

from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q, QuerySet

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid, NotFound
from workflows.machines import APPROVER, EXECUTING, IMPLEMENTER, REVIEWER, STORY, TASK, TESTER, Offer, allowed_actions
from workflows.machines.task_table import CLAIMING
from workflows.models import Project, Story, StoryDependency, Task, TaskPart
from workflows.policies import sees_all, sees_as_client
from workflows.selectors.facts import DELIVERED, story_facts, task_facts, who_is

AUTOMATA = {"system", "planner agent"}


def _story_waits() -> dict[str, tuple[str, ...]]:
    """From the table: the states that one role of people moves a story on from, and no stop that is for many states.

    While its tasks are worked on, the platform follows them; what it does then waits for nobody.
    """
    found: dict[str, list[str]] = {}
    for row in STORY.transitions:
        people, follows = set(row.who) - AUTOMATA, "system" in row.who and row.sources[0] in EXECUTING
        if len(people) == 1 and len(row.sources) == 1 and not follows:
            found.setdefault(people.pop(), []).append(row.sources[0])
    return {role: tuple(dict.fromkeys(states)) for role, states in found.items()}


CLAIMS = {role: row.action for row in TASK.transitions if row.action.startswith("claim_") for role in row.who}
"""The act by which somebody with the role takes up a task that waits for it."""
GIVES = {"claim_task": IMPLEMENTER, "claim_review": REVIEWER, "claim_testing": TESTER}
"""The part that a claim gives."""


def _task_waits() -> dict[str, Q]:
    """From the table: what each role can claim, and for the product owner what waits for an approval."""
    found: dict[str, Q] = {}
    for row in TASK.transitions:
        begins = "todo" in row.sources
        if row.action in GIVES:
            stands = Q(state__in=row.sources, story__state__in=CLAIMING if begins else EXECUTING)
            found |= {role: stands & Q(role=role) if begins else stands for role in row.who}
        elif row.decided_by:
            found |= {role: Q(state__in=row.sources, approver="", story__state__in=EXECUTING) for role in row.who}
    return found


PENDING: dict[str, Q] = _task_waits()
"""What waits for each role."""
STORY_WAITS = _story_waits()
"""States in which a story waits for each role."""


def waiting_states(actor: Actor) -> list[str]:
    """States in which a story waits for one of the actor's roles."""
    return sorted({state for role in actor.roles for state in STORY_WAITS.get(role, ())})


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
    """Tasks that the actor could take up now with `role`; not those in which it had another part.

    Raises `Invalid` for a role that nothing waits for.
    """
    waiting = PENDING.get(role)
    if waiting is None:
        raise Invalid("Nothing waits for this role.", fields={"pending_for": [f"Choose one of {', '.join(PENDING)}."]})
    others = TaskPart.objects.filter(task=OuterRef("pk"), actor=actor.ref)
    others = others.exclude(part=GIVES.get(CLAIMS.get(role, ""), APPROVER))
    return _unblocked(tasks_visible_to(actor).filter(waiting, ~Exists(others))).order_by("story__number", "rank")


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
    """What the actor may do with it now, and for the rest why not: clients are told of no rest, whose reasons are inside talk."""
    if isinstance(row, Task):
        offers = allowed_actions(TASK, task_facts(row), who_is(actor))
    else:
        offers = allowed_actions(STORY, story_facts(row), who_is(actor))
    return offers if sees_all(actor) else [offer for offer in offers if offer.allowed]


def waits_for(actor: Actor) -> int:
    """How many stories and tasks wait for the actor's roles."""
    roles = actor.roles & (set(PENDING) - {"product_owner"})
    number = sum(pending_for(actor, role).count() for role in roles)
    states = waiting_states(actor)
    return number + (stories_visible_to(actor).filter(state__in=states).count() if states else 0)
