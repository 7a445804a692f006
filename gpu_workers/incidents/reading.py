"""Reading incidents. Every read starts from what the actor may see; clients see none."""

from django.db.models import QuerySet

from gpu_workers.incidents.evidence import Evidence, EvidenceFile, split_lines
from gpu_workers.models import Incident, IncidentEvidence, IncidentReport
from gpu_workers.selectors import has_team_role
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound


def incidents_visible_to(actor: Actor) -> QuerySet[Incident]:
    """Incidents that `actor` may see, newest first."""
    return Incident.objects.all() if has_team_role(actor) else Incident.objects.none()


def find_incident(actor: Actor, pk: int) -> Incident:
    """One incident. Raises `NotFound` when there is none or the actor may not know of it."""
    incident = incidents_visible_to(actor).filter(pk=pk).first()
    if incident is None:
        raise NotFound(f"There is no incident {pk}.")
    return incident


def find_evidence(actor: Actor, pk: int, evidence: int) -> IncidentEvidence:
    """One file of an incident. Raises `NotFound` like `find_incident`."""
    row = find_incident(actor, pk).evidence.filter(pk=evidence).first()
    if row is None:
        raise NotFound(f"Incident {pk} has no such evidence.")
    return row


def incident_of(ref: str) -> Incident:
    """The incident with this reference. Raises `NotFound`."""
    incident = Incident.objects.filter(pk=int(ref.partition(":")[2])).first()
    if incident is None:
        raise NotFound(f"There is no {ref} any more.")
    return incident


def evidence_of(incident: Incident) -> Evidence:
    """Everything that was brought, as an agent reads it."""
    files = [EvidenceFile(row.name, row.kind, split_lines(row.text)) for row in incident.evidence.order_by("id")]
    return Evidence({file.name: file for file in files}, tuple(incident.parts))


def open_report(incident: Incident) -> IncidentReport | None:
    """The report whose remedy waits for people."""
    return incident.reports.filter(state="proposed").first()
