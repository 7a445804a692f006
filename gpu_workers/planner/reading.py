"""Reading proposals and the backlog that they are about; clients see neither."""

from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import QuerySet

from gpu_workers.connections import named
from gpu_workers.models import ProjectTracker, Proposal
from gpu_workers.models.proposal import ProposalKind
from gpu_workers.planner.checks import Backlog, BacklogStory, problems
from gpu_workers.planner.shown import among, overwritten, restored, standing
from gpu_workers.selectors import has_team_role
from gpu_workers.trackers.importing import ISSUES, stale
from gpu_workers.trackers.reading import imported_from, source_of
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound
from workflows.burndown import points_of
from workflows.models import Sprint, Story
from workflows.readiness import PRIORITIES

WAITING = ("draft", "po_review", "ready_for_planning", "planned", "carry_over")
READY = ("planned", "carry_over")
FINISHED = ("accepted", "done", "archived")
MOST = 80
"""Stories that an agent is shown. Where there are more: the most urgent ones, of one priority those that changed last."""


def proposals_visible_to(actor: Actor) -> QuerySet[Proposal]:
    """Proposals that `actor` may see, newest first."""
    return Proposal.objects.all() if has_team_role(actor) else Proposal.objects.none()


def find_proposal(actor: Actor, pk: int) -> Proposal:
    """One proposal. Raises `NotFound` when there is none or the actor may not know of it."""
    row = proposals_visible_to(actor).filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no proposal {pk}.")
    return row


def proposal_of(ref: str) -> Proposal:
    """The proposal with this reference. Raises `NotFound`."""
    row = Proposal.objects.filter(pk=int(ref.partition(":")[2])).first()
    if row is None:
        raise NotFound(f"There is no {ref} any more.")
    return row


def open_sprint_of(project: str) -> Sprint | None:
    """The sprint of a project that stories can enter now."""
    return Sprint.objects.filter(project__key=project, state="open").first()


def backlog_of(proposal: Proposal, most: int | None = MOST) -> Backlog:
    """The project's stories that wait, as they are now, `most` of them; for a sprint, what it holds and still takes."""
    rows = Story.objects.filter(project__key=proposal.project, state__in=WAITING).select_related("epic")
    if proposal.kind == ProposalKind.SPRINT:
        rows = rows.filter(state__in=READY)
    rows = rows.prefetch_related("dependencies__needs").order_by("number")
    stories, capacity, begun, name = list(rows), proposal.capacity, list[Story](), ""
    sprint = Sprint.objects.filter(pk=proposal.sprint, state="open").first() if proposal.sprint else None
    if sprint is not None:
        name, begun = sprint.name, list(sprint.stories.exclude(state__in=WAITING))
        taken = sum(points_of(story.size) for story in begun)
        capacity = None if sprint.capacity is None else max(0, sprint.capacity - taken)
    chosen = stories if most is None else _most_urgent(stories, most)
    return Backlog(
        project=proposal.project,
        kind=proposal.kind,
        stories=tuple(_shown(story) for story in chosen),
        priorities=PRIORITIES,
        begun=frozenset(story.reference for story in begun),
        capacity=capacity,
        sprint=name,
        left_out=len(stories) - len(chosen),
    )


def _most_urgent(stories: Sequence[Story], most: int) -> list[Story]:
    """In the order that they came in; a story without a priority comes after those with one."""
    rank = {name: place for place, name in enumerate(PRIORITIES, 1)}
    ranked = sorted(stories, key=lambda story: (rank.get(story.priority, 0), story.changed_at), reverse=True)
    chosen = {story.pk for story in ranked[:most]}
    return [story for story in stories if story.pk in chosen]


def against(proposal: Proposal) -> list[str]:
    """Why a proposal that was made cannot be accepted any more, in words; nothing where it still holds.

    It is judged by the stories that its run was shown, as they are now: later ones make no difference.
    """
    if proposal.kind != ISSUES:
        now = backlog_of(proposal, most=None)
        if not proposal.shown:
            return problems(proposal.content, now)
        shown = restored(proposal.shown)
        now = among(now, shown)
        if not now.stories:
            return ["None of its stories waits any more."]
        content, _ = still_waiting(proposal)
        return [*overwritten(now, shown), *problems(content, now)]
    row = named(ProjectTracker, proposal.project)
    if row is None or source_of(row) != proposal.content["source"]:
        return ["The project has another issue tracker by now."]
    return stale(proposal.content, imported_from(proposal.project, source_of(row)))


def still_waiting(proposal: Proposal) -> tuple[dict[str, Any], list[str]]:
    """What a proposal says of stories that wait now, and the others that it names."""
    waiting: Collection[str] = set(
        Story.objects.filter(project__key=proposal.project, state__in=WAITING).values_list("reference", flat=True)
    )
    return standing(proposal.content, proposal.kind, waiting)


def _shown(story: Story) -> BacklogStory:
    return BacklogStory(
        reference=story.reference,
        title=story.title,
        points=points_of(story.size),
        priority=story.priority,
        needs=tuple(sorted(one.needs.reference for one in story.dependencies.all() if one.needs.state not in FINISHED)),
        state=story.state,
        size=story.size,
        epic=story.epic.title if story.epic else "",
        score=story.dor_score,
        epic_key=story.epic_id or 0,
        place=story.epic_rank,
        ready=story.state in READY,
    )
