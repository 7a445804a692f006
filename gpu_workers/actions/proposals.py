"""Proposals about a backlog: asked for by people, made by an agent, decided by a person, carried out by what exists."""

from typing import Any

from django.db.models.functions import Now

from governance.actions.starters import note_starter
from gpu_workers.actions.leases import fenced
from gpu_workers.connections import named
from gpu_workers.models import ProjectTracker, Proposal, Run
from gpu_workers.models.proposal import ProposalKind
from gpu_workers.planner.reading import against, backlog_of, open_sprint_of
from gpu_workers.proposal_events import (
    ProposalAsked,
    ProposalCarriedOut,
    ProposalDecided,
    ProposalFailed,
    ProposalMade,
)
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict, Invalid
from guildhall.kernel.redaction import redact_data

MIN_FEEDBACK = 10
DECISIONS = ("accept", "reject")


@governed("proposal.ask", lock=None)
def ask_proposal(*, actor: Actor, project: str, kind: str, wish: str = "", capacity: int | None = None) -> Proposal:
    """Have a PM agent work one out; `capacity` (points) is of a roadmap's stretches alone. The caller found the project.

    Raises `Invalid` with the fields, `Conflict` while one of this kind is open.
    """
    found: dict[str, list[str]] = {}
    if kind not in ProposalKind.values:
        found["kind"] = [f"Choose one of {', '.join(ProposalKind.values)}."]
    if len(wish) > 2000:
        found["wish"] = ["At most 2000 characters."]
    if capacity is not None and not 1 <= capacity <= 10_000:
        found["capacity"] = ["Give 1 to 10000 points, or leave it open."]
    sprint = open_sprint_of(project) if kind == ProposalKind.SPRINT else None
    if kind == ProposalKind.SPRINT and (sprint is None or sprint.capacity is None):
        found["kind"] = ["Open a sprint with a capacity first; a plan is checked against it."]
    proposal = Proposal(
        kind=kind,
        project=project,
        sprint=sprint.pk if sprint else None,
        capacity=capacity if kind == ProposalKind.ROADMAP else None,
        wish=wish.strip(),
        asked_by=actor.ref,
        asked_by_name=actor.name[:200],
    )
    if kind == ProposalKind.ISSUES:
        if named(ProjectTracker, project) is None:
            found["kind"] = ["Have an admin connect the project's issue tracker first."]
    elif not found and not backlog_of(proposal).choosable():
        found["kind"] = ["No story waits that this could be about."]
    if found:
        raise Invalid("This cannot be worked out.", fields=found)
    with taken_raises(Conflict("One of this kind is worked out or waits for a person already.")):
        proposal.save(force_insert=True)
    note_starter(actor=actor, subject=proposal.ref)
    record(ProposalAsked(subject=proposal.ref, project=project, proposal_kind=kind), actor=actor)
    return proposal


@governed("proposal.keep", lock="proposal")
def keep_proposal(
    *, actor: Actor, proposal: Proposal, run: Run, fence: int, content: dict[str, Any], shown: dict[str, Any]
) -> Proposal:
    """Keep what an agent handed in, once, with the backlog that it was `shown`; it has passed `planner.checks.problems`.

    Raises `Conflict`, `LeaseLost`.
    """
    fenced(Run.objects.select_for_update().get(pk=run.pk), fence)
    if proposal.run != run.number:
        if proposal.state != "asked":
            raise Conflict(f"Proposal {proposal.pk} is {proposal.state} already.")
        proposal.propose()
        proposal.content, proposal.run, proposal.agent = redact_data(content), run.number, actor.ref
        proposal.shown = redact_data(shown)
        proposal.save(update_fields=["state", "content", "shown", "run", "agent"])
    record(
        ProposalMade(subject=proposal.ref, project=proposal.project, proposal_kind=proposal.kind),
        actor=actor,
        after={"state": proposal.state},
    )
    return proposal


@governed("proposal.fail", lock="proposal")
def fail_proposal(*, actor: Actor, proposal: Proposal, reason: str) -> None:
    """Its run gave up. Raises `Conflict` when it is not being worked out."""
    if proposal.state != "asked":
        raise Conflict(f"Proposal {proposal.pk} is {proposal.state}.")
    proposal.fail()
    proposal.reason = reason[:1000]
    proposal.save(update_fields=["state", "reason"])
    record(ProposalFailed(subject=proposal.ref, reason=reason[:300]), actor=actor, after={"state": "failed"})


@governed("proposal.decide", lock="proposal")
def decide_proposal(*, actor: Actor, proposal: Proposal, decision: str, feedback: str = "") -> Proposal:
    """Accept a proposal that still holds, or reject one. Raises `Invalid`, and `Conflict` where it holds no more."""
    said = feedback.strip()
    if decision not in DECISIONS:
        raise Invalid("There is no such decision.", fields={"decision": [f"Choose one of {', '.join(DECISIONS)}."]})
    if decision == "reject" and not MIN_FEEDBACK <= len(said) <= 2000:
        raise Invalid("Say why not.", fields={"feedback": [f"Give {MIN_FEEDBACK} to 2000 characters."]})
    if proposal.state != "proposed" and not (decision == "reject" and proposal.state == "asked"):
        raise Conflict(f"Proposal {proposal.pk} is {proposal.get_state_display().lower()}; there is nothing to decide.")
    before = proposal.state
    if decision == "accept":
        if changed := against(proposal):
            raise Conflict(f"The backlog has changed since: {' '.join(changed)[:600]}")
        proposal.accept()
    else:
        proposal.reject()
    proposal.decided_by, proposal.decided_by_name, proposal.feedback = actor.ref, actor.name[:200], said
    proposal.decided_at = Now()
    proposal.save(update_fields=["state", "decided_by", "decided_by_name", "feedback", "decided_at"])
    proposal.refresh_from_db()
    event = ProposalDecided(
        subject=proposal.ref,
        project=proposal.project,
        proposal_kind=proposal.kind,
        decision=proposal.state,
        feedback=said[:300],
    )
    record(event, actor=actor, before={"state": before}, after={"state": proposal.state}, reason=said)
    return proposal


@governed("proposal.carry_out", lock="proposal")
def note_carried_out(*, actor: Actor, proposal: Proposal, outcome: list[dict[str, str]]) -> None:
    """Keep what became of each entry: `what`, and `why_not` where it was refused. Raises `Conflict` when told before."""
    if proposal.state != "accepted":
        raise Conflict(f"Proposal {proposal.pk} is {proposal.state}.")
    proposal.carry_out()
    proposal.outcome = outcome
    proposal.save(update_fields=["state", "outcome"])
    refused = sum(bool(entry["why_not"]) for entry in outcome)
    event = ProposalCarriedOut(subject=proposal.ref, done=len(outcome) - refused, refused=refused)
    record(event, actor=actor, before={"state": "accepted"}, after={"state": "carried_out"})
