"""Giving triages and proposals that people want to agents that are free and may act; whoever finds none asks again later."""

import logging

from governance.autonomy import Risk
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.models import Incident, Proposal, Run
from gpu_workers.models.run import RunKind
from gpu_workers.selectors import retries_of
from gpu_workers.staff import free_agents, may_act
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, RateLimited

logger = logging.getLogger(__name__)


def offer_triages(dispatcher: Actor) -> None:
    """Give every triage that is wanted and has no run to a free Ops agent."""
    for incident in Incident.objects.filter(wanted=True).order_by("pk"):
        claim = f"{incident.ref}:{incident.triages}:{retries_of(incident.ref, RunKind.INCIDENT)}"
        title = f"Triage: {incident.title}"
        new = NewRun(kind=RunKind.INCIDENT, subject=incident.ref, story="", title=title, claim=claim)
        _queue(dispatcher, new, role="devops", kind="ops")


def offer_proposals(dispatcher: Actor) -> None:
    """Give every proposal that was asked for and has no run to a free PM agent."""
    for proposal in Proposal.objects.filter(state="asked").order_by("pk"):
        title = f"{proposal.get_kind_display()} of {proposal.project}"
        new = NewRun(kind=RunKind.BACKLOG, subject=proposal.ref, story="", title=title, claim=proposal.ref)
        _queue(dispatcher, new, role="planner", kind="pm")


def _queue(dispatcher: Actor, new: NewRun, *, role: str, kind: str) -> None:
    if Run.objects.filter(claim=new.claim).exists():
        # It has its run, or had it and gave up.
        return
    fitting = (agent for agent in free_agents(role) if agent.kind == kind)
    agent = next((agent for agent in fitting if may_act(agent, None, Risk.LOW)), None)
    if agent is None:
        return
    try:
        queue_run(actor=dispatcher, agent=agent, new=new)
    except (Conflict, RateLimited) as refusal:
        logger.info("no run for %s: %s", new.subject, refusal.detail)
