"""What follows when people want a triage, when one is there, and when people have decided on its remedy."""

import logging

from governance.actions.approvals import request_approval
from governance.actions.outcomes import record_outcome, void_approvals
from governance.approval_events import ApprovalRetried
from governance.events import ApprovalDecided, ApprovalExpired, ApprovalVoided, PolicyActivated
from governance.selectors import active_policy
from governance.selectors.approvals import latest_bound
from governance.views import ApprovalView
from gpu_workers.actions.incidents import settle_remedy
from gpu_workers.events import RunEnded, RunRetried
from gpu_workers.handing_out import offer_triages
from gpu_workers.incident_events import IncidentClosed, IncidentTriaged, TriageAsked
from gpu_workers.incidents.reading import incident_of, open_report
from gpu_workers.models import IncidentReport
from gpu_workers.models.incident import RemedyState
from gpu_workers.runs.asking import KIND, arguments_hash, arguments_text
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.errors import Conflict

logger = logging.getLogger(__name__)
STEP = "remedy"
TOOL = "propose_remedy"
SETTLED = {
    "changes_requested": RemedyState.REJECTED,
    "rejected": RemedyState.REJECTED,
    "expired": RemedyState.EXPIRED,
}
RECEIPT = "Remedy accepted. Nothing was deployed or run: people carry it out."


@consumer("agents.triage", kinds=[TriageAsked, RunRetried, RunEnded])
def hand_out_triage(event: Delivered) -> None:
    """Hand out what is wanted as soon as it is, or as soon as an agent is free; the timekeeper does so besides."""
    offer_triages(system_actor("dispatcher", event.tenant))


@consumer("agents.remedies", kinds=[IncidentTriaged, ApprovalVoided, PolicyActivated])
def ask_people(event: Delivered) -> None:
    """Put remedies that nobody decided on before people: each once under the present policy, never carried out by itself."""
    executor = _executor(event)
    for report in IncidentReport.objects.filter(state=RemedyState.PROPOSED).select_related("incident"):
        bound = _bound(report)
        outdated = bound is not None and bound.binding.get("policy_version") != active_policy().version
        if outdated and bound is not None and bound.state == "pending":
            # What is void tells this consumer, which asks again then.
            void_approvals(actor=executor, subject=report.incident.ref, reason="The policy has changed since.")
        elif bound is None or bound.state == "void":
            void_approvals(actor=executor, subject=report.incident.ref, reason="Another triage took its place.")
            _ask(executor, report)


def _ask(executor: Actor, report: IncidentReport) -> None:
    arguments = call_of(report)
    request_approval(
        actor=executor,
        kind=KIND,
        subject=report.incident.ref,
        title=f"Remedy for “{report.incident.title}”: {report.part} failed"[:200],
        summary=f"{report.remedy[:1000]} Approving keeps that this remedy is accepted; nothing is carried out by it.",
        binding={
            "incident": report.incident.pk,
            "report": report.pk,
            "run": report.run,
            "step": STEP,
            "call": arguments_text(TOOL, arguments),
            "arguments_hash": arguments_hash(TOOL, arguments),
        },
        risk=report.incident.severity,
        requester=report.agent,
    )


def call_of(report: IncidentReport) -> dict[str, object]:
    """Exactly what is decided on."""
    return {
        "part": report.part,
        "cause": report.cause,
        "citations": report.citations,
        "remedy": report.remedy,
        "command": report.command,
        "change": report.change,
    }


def _bound(report: IncidentReport) -> ApprovalView | None:
    facts = {"step": STEP, "arguments_hash": arguments_hash(TOOL, call_of(report)), "report": report.pk}
    return latest_bound(report.incident.ref, KIND, facts)


@consumer("agents.remedies_settled", kinds=[ApprovalDecided, ApprovalExpired, ApprovalRetried])
def take_decision(event: Delivered) -> None:
    """Keep what people said of a remedy; of an accepted one the receipt says that it was accepted, and no more."""
    told = event.data
    assert isinstance(told, ApprovalDecided | ApprovalExpired | ApprovalRetried)
    if told.approval_kind != KIND or not told.about.startswith("incident:"):
        return
    binding = told.binding
    state, feedback = RemedyState.ACCEPTED, ""
    if isinstance(told, ApprovalExpired):
        state = RemedyState.EXPIRED
    elif isinstance(told, ApprovalDecided):
        state, feedback = SETTLED.get(told.decision, RemedyState.ACCEPTED), told.feedback
    try:
        settle_remedy(
            actor=_executor(event),
            incident=incident_of(told.about),
            report=int(binding["report"]),
            state=state,
            approval=told.number,
            feedback=feedback,
        )
    except Conflict as known:
        logger.info("%s: %s", told.about, known.detail)
    kept = IncidentReport.objects.filter(pk=int(binding["report"]), state=RemedyState.ACCEPTED)
    if state is RemedyState.ACCEPTED and kept.exists():
        _hand_in(event, told.number, binding)


def _hand_in(event: Delivered, approval: int, binding: dict[str, object]) -> None:
    receipt = {"step": STEP, "arguments_hash": binding["arguments_hash"], "outcome": RECEIPT}
    try:
        record_outcome(actor=_executor(event), approval=approval, receipt=receipt)
    except Conflict as known:
        logger.info("approval %s has its outcome: %s", approval, known.detail)


@consumer("agents.incidents", kinds=[IncidentClosed])
def take_back(event: Delivered) -> None:
    """An incident that is over asks nobody anything any more."""
    incident = incident_of(event.data.subject)
    if open_report(incident) is None:
        void_approvals(actor=_executor(event), subject=incident.ref, reason="The incident is closed.")


def _executor(event: Delivered) -> Actor:
    return system_actor("executor", event.tenant)
