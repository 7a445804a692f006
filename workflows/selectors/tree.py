"""Projects and what hangs on them, from what the actor may see. Goals, plans and decisions are not for clients."""

from typing import TypeVar

from django.db.models import Count, Model, Q, QuerySet

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound
from workflows.models import Decision, Derivation, Epic, Project, Sprint, Story, Strategy
from workflows.policies import sees_all, sees_as_client
from workflows.selectors.lists import find_story

M = TypeVar("M", bound=Model)


def projects_visible_to(actor: Actor) -> QuerySet[Project]:
    """All projects for members, a client's own for clients."""
    projects = Project.objects.prefetch_related("repositories")
    if sees_all(actor):
        return projects
    return projects.filter(client=actor.client) if sees_as_client(actor) else projects.none()


def strategies_visible_to(actor: Actor) -> QuerySet[Strategy]:
    """Strategies with their projects."""
    return _for_team(actor, Strategy.objects.select_related("project"))


def epics_visible_to(actor: Actor) -> QuerySet[Epic]:
    """Epics with their projects and how many stories they have."""
    return _for_team(actor, Epic.objects.select_related("project").annotate(story_count=Count("stories")))


def sprints_visible_to(actor: Actor) -> QuerySet[Sprint]:
    """Sprints with their projects, how many stories they have and how many of those are accepted."""
    accepted = Count("stories", filter=Q(stories__state__in=["accepted", "done"]))
    counted = Sprint.objects.select_related("project").annotate(story_count=Count("stories"), accepted_count=accepted)
    return _for_team(actor, counted)


def decisions_visible_to(actor: Actor) -> QuerySet[Decision]:
    """Decisions of every kind."""
    return _for_team(actor, Decision.objects.all())


def find_strategy(actor: Actor, pk: int) -> Strategy:
    """A strategy. Raises `NotFound`, whether it is missing or not the actor's to see."""
    return _one(strategies_visible_to(actor), pk, "strategy")


def find_epic(actor: Actor, pk: int) -> Epic:
    """An epic. Raises `NotFound`, whether it is missing or not the actor's to see."""
    return _one(epics_visible_to(actor), pk, "epic")


def find_decision(actor: Actor, pk: int) -> Decision:
    """A decision. Raises `NotFound`, whether it is missing or not the actor's to see."""
    return _one(decisions_visible_to(actor), pk, "decision")


def latest_proposal(actor: Actor, story: Story) -> Derivation:
    """The newest proposal of a story's tasks, whatever became of it. Raises `NotFound`."""
    seen = find_story(actor, story.reference)
    proposal = seen.derivations.order_by("-id").first() if sees_all(actor) else None
    if proposal is None:
        raise NotFound(f"No tasks were proposed for {story.reference}.")
    return proposal


def _for_team(actor: Actor, rows: QuerySet[M]) -> QuerySet[M]:
    return rows if sees_all(actor) else rows.none()


def _one(rows: QuerySet[M], pk: int, name: str) -> M:
    row = rows.filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no {name} {pk}.")
    return row
