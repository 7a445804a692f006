"""Reading proposals and the backlog that they are about; clients see neither."""

from django.db.models import QuerySet

from gpu_workers.models import Proposal
from gpu_workers.models.proposal import ProposalKind
from gpu_workers.planner.checks import Backlog, BacklogStory, problems
from gpu_workers.selectors import has_team_role
from gpu_workers.trackers.importing import ISSUES, stale
from gpu_workers.trackers.reading import imported_from, source_of, tracker_row
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound
from workflows.burndown import points_of
from workflows.models import Sprint, Story
from workflows.readiness import PRIORITIES

WAITING = ("draft", "po_review", "ready_for_planning", "planned", "carry_over")
READY = ("planned", "carry_over")
FINISHED = ("accepted", "done", "archived")
MOST = 80
"""Stories that an agent is shown; the oldest ones, where there are more."""


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


def backlog_of(proposal: Proposal) -> Backlog:
    """The project's stories that wait, as they are now; for a sprint, what it holds and still takes."""
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
    return Backlog(
        project=proposal.project,
        kind=proposal.kind,
        stories=tuple(_shown(story) for story in stories[:MOST]),
        priorities=PRIORITIES,
        begun=frozenset(story.reference for story in begun),
        capacity=capacity,
        sprint=name,
        left_out=max(0, len(stories) - MOST),
    )


def against(proposal: Proposal) -> list[str]:
    """Why a proposal that was made cannot be accepted any more, in words; nothing where it still holds."""
    if proposal.kind != ISSUES:
        return problems(proposal.content, backlog_of(proposal))
    row = tracker_row(proposal.project)
    if row is None or source_of(row) != proposal.content["source"]:
        return ["The project has another issue tracker by now."]
    return stale(proposal.content, imported_from(proposal.project, source_of(row)))


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
        ready=story.state in READY,
    )
