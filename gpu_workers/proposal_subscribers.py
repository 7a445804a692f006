"""What follows when people want a proposal, when its run gives up, and when a person has accepted it."""

import logging
from collections.abc import Callable
from functools import partial

from gpu_workers.actions.proposals import fail_proposal, note_carried_out
from gpu_workers.actions.trackers import import_issue
from gpu_workers.events import RunEnded
from gpu_workers.handing_out import offer_proposals
from gpu_workers.models import Proposal
from gpu_workers.models.run import GIVEN_UP
from gpu_workers.planner.checks import ORDER, SPRINT
from gpu_workers.planner.reading import proposal_of, still_waiting
from gpu_workers.proposal_events import ProposalAsked, ProposalDecided
from gpu_workers.trackers.importing import ISSUES
from gpu_workers.trackers.reading import imported_from
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.errors import Conflict, GuildhallError
from tenants.selectors import standing_actor
from workflows.actions import edit_story, transition_story
from workflows.actions.epics import order_stories
from workflows.models import Epic, Project, Story

logger = logging.getLogger(__name__)


@consumer("agents.proposals", kinds=[ProposalAsked, RunEnded])
def hand_out_proposals(event: Delivered) -> None:
    """Give what was asked for to a free PM agent; what its run gave up came to nothing."""
    told = event.data
    if isinstance(told, RunEnded) and told.about.startswith("proposal:") and told.state in GIVEN_UP:
        try:
            actor = system_actor("dispatcher", event.tenant)
            fail_proposal(actor=actor, proposal=proposal_of(told.about), reason=told.reason)
        except Conflict as known:
            logger.info("%s: %s", told.about, known.detail)
    offer_proposals(system_actor("dispatcher", event.tenant))


@consumer("agents.proposals_accepted", kinds=[ProposalDecided])
def carry_out(event: Delivered) -> None:
    """Do what was accepted in the name of whoever accepted it, entry by entry; what is so already is not done again."""
    proposal = proposal_of(event.data.subject)
    if proposal.state != "accepted":
        return
    try:
        owner = standing_actor(proposal.decided_by, via="proposal")
        outcome = {ORDER: _order, SPRINT: _sprint, ISSUES: _import}.get(proposal.kind, _nothing)(owner, proposal)
    except GuildhallError as refusal:
        outcome = [{"what": "all of it", "why_not": refusal.detail}]
    try:
        note_carried_out(actor=system_actor("executor", event.tenant), proposal=proposal, outcome=outcome)
    except Conflict as known:
        logger.info("%s: %s", proposal, known.detail)


def _nothing(owner: Actor, proposal: Proposal) -> list[dict[str, str]]:
    """A roadmap is kept as what was agreed; no story moves by it."""
    return _gone(still_waiting(proposal)[1])


def _gone(references: list[str]) -> list[dict[str, str]]:
    """Stories of a proposal that no longer waited when it was carried out."""
    states = {story.reference: story.get_state_display() for story in Story.objects.filter(reference__in=references)}
    return [{"what": f"{one} is left out", "why_not": f"It waits no more: {states[one]}."} for one in references]


def _sprint(owner: Actor, proposal: Proposal) -> list[dict[str, str]]:
    said = []
    for entry in proposal.content["stories"]:
        story = Story.objects.get(reference=entry["story"])
        name = "continue" if story.state == "carry_over" else "commit_to_sprint"
        if story.sprint_id == proposal.sprint and story.state not in ("planned", "carry_over"):
            said.append(_entry(f"{story.reference} is in the sprint", None))
            continue
        said.append(_entry(f"{story.reference} into the sprint", partial(_move, owner, story, name)))
    return said


def _import(owner: Actor, proposal: Proposal) -> list[dict[str, str]]:
    project = Project.objects.get(key=proposal.project)
    source = proposal.content["source"]
    known = imported_from(project.key, source)
    said = []
    for entry in proposal.content[ISSUES]:
        if story := known.get(entry["issue"]):
            said.append(_entry(f"{entry['issue']} is {story}", None))
        else:
            act = partial(import_issue, actor=owner, project=project, source=source, entry=entry)
            said.append(_entry(f"{entry['issue']} becomes a story", act))
    return said


def _move(owner: Actor, story: Story, name: str) -> None:
    transition_story(actor=owner, story=story, name=name)


def _order(owner: Actor, proposal: Proposal) -> list[dict[str, str]]:
    content, gone = still_waiting(proposal)
    said = _gone(gone)
    wanted = {entry["story"]: entry["priority"] for entry in content["stories"]}
    stories = {story.reference: story for story in Story.objects.filter(reference__in=wanted)}
    for reference, priority in wanted.items():
        story = stories[reference]
        if story.priority != priority:
            what = f"{reference} is {priority}"
            said.append(_entry(what, partial(_give_priority, owner, story, priority)))
    for epic in Epic.objects.filter(stories__reference__in=wanted).distinct().order_by("pk"):
        present = list(epic.stories.order_by("epic_rank", "id").values_list("reference", flat=True))
        ours = iter([reference for reference in wanted if reference in present])
        order = [next(ours) if reference in wanted else reference for reference in present]
        if order != present:
            said.append(_entry(f"Order of {epic.title}", partial(_set_order, owner, epic, order)))
    return said


def _give_priority(owner: Actor, story: Story, priority: str) -> None:
    edit_story(actor=owner, story=story, content={"priority": priority}, version=story.version)


def _set_order(owner: Actor, epic: Epic, order: list[str]) -> None:
    order_stories(actor=owner, epic=epic, order=order, version=epic.version)


def _entry(what: str, act: Callable[[], object] | None) -> dict[str, str]:
    try:
        if act is not None:
            act()
    except GuildhallError as refusal:
        return {"what": what, "why_not": refusal.detail}
    return {"what": what, "why_not": ""}
