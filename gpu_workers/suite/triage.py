"""One incident of a suite: opened with its evidence as a person would, triaged by the tenant's Ops agent, and judged."""

import time
from datetime import UTC, datetime

from gpu_workers.actions.incidents import NewIncident, add_evidence, ask_triage, open_incident
from gpu_workers.models import Incident, Run
from gpu_workers.models.run import GIVEN_UP
from gpu_workers.runs.asking import KIND
from gpu_workers.runs.engine import stop_runs
from gpu_workers.selectors import given_up
from gpu_workers.suite.incident_form import SuiteIncident
from gpu_workers.suite.people import Ground, allow
from gpu_workers.suite.pipeline import Attempt, Pause
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import tenant_scope
from workflows.actions import create_project


def triage(ground: Ground, number: int, asked: SuiteIncident, *, seconds: float, pause: Pause) -> Attempt:
    """Have the incident triaged. `solved` names the failed part and cites a line that proves it, `wrong` does not."""
    began = time.monotonic()
    with tenant_scope(ground.schema):
        admin, key = ground.people["admin"], f"S{number}"
        create_project(actor=admin, key=key, name=asked.name, repository=asked.name, ci_command="true")
        incident = bring(ground.people["product_owner"], key, asked)
    ended = ""
    while not ended:
        pause(ground.schema)
        with tenant_scope(ground.schema):
            _allow_calls(ground)
            ended = _ended(incident, asked)
            if not ended and time.monotonic() - began > seconds:
                stop_runs(incident.ref, "The suite's time for it is up.", begun_by=datetime.now(UTC))
                ended = "out_of_time"
    with tenant_scope(ground.schema):
        runs = Run.objects.filter(subject=incident.ref).values_list("number", flat=True)
        owners = tuple(("run", str(one)) for one in runs)
    outcome, _, reason = ended.partition(": ")
    return Attempt(asked.name, owners, outcome, reason, time.monotonic() - began)


def bring(actor: Actor, project: str, asked: SuiteIncident) -> Incident:
    """Open the incident with its evidence and ask for a triage; the tenant's scope is entered."""
    about = asked.asked
    new = NewIncident(project, about.title, tuple(about.parts), about.description, about.severity)
    incident = open_incident(actor=actor, new=new)
    for file in about.files:
        add_evidence(actor=actor, incident=incident, name=file.name, kind=file.kind, data=asked.files[file.name])
    return ask_triage(actor=actor, incident=incident)


def _allow_calls(ground: Ground) -> None:
    """Allow what the agent's runs ask about; a remedy is not decided on, it is what is judged."""
    allow(ground, lambda asked: asked.kind == KIND and asked.subject.startswith("run:"))


def _ended(incident: Incident, asked: SuiteIncident) -> str:
    """`solved`, `wrong: why`, `gave_up: why`, or "" while it goes on."""
    report = incident.reports.first()
    if report is not None:
        cited = {(one["file"], one["line"]) for one in report.citations}
        if asked.is_right(report.part, cited):
            return "solved"
        if report.part != asked.asked.failed:
            return f"wrong: it names {report.part}, and {asked.asked.failed} failed."
        return "wrong: it cites no line that proves it."
    for run in Run.objects.filter(subject=incident.ref, state__in=GIVEN_UP).order_by("-number"):
        if given_up(run.subject, run.kind):
            return f"gave_up: {run.reason}"
    return ""
