"""Projects and what hangs on them, from what the actor may see. Goals, plans and decisions are not for clients."""

from typing import TypeVar

from django.db.models import Count, Model, Q, QuerySet

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound
from workflows.ci_limits import tightest
from workflows.models import (
    Decision,
    Derivation,
    Epic,
    Project,
    ProjectRepository,
    Sprint,
    Story,
    Strategy,
    StrategyRun,
)
from workflows.policies import sees_all, sees_as_client
from workflows.selectors.lists import find_story, stories_visible_to
from workflows.selectors.planned import FINISHED

M = TypeVar("M", bound=Model)
DONE = Q(stories__state__in=FINISHED)
UNDER_WAY = ~Q(stories__state__in=[*FINISHED, "draft", "po_review", "ready_for_planning", "planned"])


def projects_visible_to(actor: Actor) -> QuerySet[Project]:
    """All projects for members, a client's own for clients."""
    projects = Project.objects.prefetch_related("repositories")
    if sees_all(actor):
        return projects
    return projects.filter(client=actor.client) if sees_as_client(actor) else projects.none()


def repositories_of(actor: Actor, project: Project) -> QuerySet[ProjectRepository]:
    """A project's repositories, with how CI is run in them; that is not for clients."""
    rows = project.repositories.all()
    return rows if sees_all(actor) else rows.none()


def sharing(project: Project) -> dict[str, list[str]]:
    """The keys of the other projects that name each of the project's repositories; those that none does are left out."""
    names = project.repositories.values("name")
    found: dict[str, list[str]] = {}
    rows = ProjectRepository.objects.filter(name__in=names).exclude(project=project).order_by("project__key")
    for name, key in rows.values_list("name", "project__key"):
        found.setdefault(name, []).append(key)
    return found


def ci_limits_of(repository: str) -> dict[str, int]:
    """What CI of a repository may take, by the names of `workflows.ci_limits`: what its projects say, or the most there is."""
    return tightest(list(ProjectRepository.objects.filter(name=repository).values_list("ci_limits", flat=True)))


def strategies_visible_to(actor: Actor) -> QuerySet[Strategy]:
    """Strategies with their projects and schedules, how many stories they have and how many of those are finished."""
    rows = Strategy.objects.select_related("project", "schedule")
    counted = rows.annotate(story_count=Count("stories"), done_count=Count("stories", filter=DONE))
    return _for_team(actor, counted)


def runs_visible_to(actor: Actor, strategy: Strategy) -> QuerySet[StrategyRun]:
    """The firings of a strategy's schedule with their stories, newest first."""
    rows = StrategyRun.objects.filter(strategy=strategy).select_related("story")
    return _for_team(actor, rows.order_by("-number"))


def epics_visible_to(actor: Actor) -> QuerySet[Epic]:
    """Epics with their projects, in order, with how many stories they have, under way and finished."""
    counted = Epic.objects.select_related("project", "strategy").annotate(
        story_count=Count("stories"),
        under_way_count=Count("stories", filter=UNDER_WAY),
        done_count=Count("stories", filter=DONE),
    )
    return _for_team(actor, counted)


def stories_of(actor: Actor, epic: Epic) -> QuerySet[Story]:
    """The epic's stories that the actor may see, in their order."""
    return stories_visible_to(actor).filter(epic=epic).order_by("epic_rank", "number")


def story_states(epic: Epic) -> dict[str, int]:
    """How many of the epic's stories are in which state, those without any left out."""
    rows = Story.objects.filter(epic=epic).order_by().values("state").annotate(number=Count("id"))
    return {row["state"]: row["number"] for row in rows}


def sprints_visible_to(actor: Actor) -> QuerySet[Sprint]:
    """Sprints with their projects, how many stories they have and how many of those are accepted."""
    accepted = Count("stories", filter=Q(stories__state__in=["accepted", "done"]))
    counted = Sprint.objects.select_related("project").annotate(story_count=Count("stories"), accepted_count=accepted)
    return _for_team(actor, counted)


def decisions_visible_to(actor: Actor) -> QuerySet[Decision]:
    """Decisions of every kind."""
    return _for_team(actor, Decision.objects.select_related("superseded_by"))


def find_strategy(actor: Actor, pk: int) -> Strategy:
    """A strategy. Raises `NotFound`, whether it is missing or not the actor's to see."""
    return _one(strategies_visible_to(actor), pk, "strategy")


def find_epic(actor: Actor, pk: int) -> Epic:
    """An epic. Raises `NotFound`, whether it is missing or not the actor's to see."""
    return _one(epics_visible_to(actor), pk, "epic")


def find_sprint(actor: Actor, pk: int) -> Sprint:
    """A sprint. Raises `NotFound`, whether it is missing or not the actor's to see."""
    return _one(sprints_visible_to(actor), pk, "sprint")


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
