"""Incidents: opened and given evidence by people, triaged by an agent, closed by people."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db.models.functions import Now

from governance.actions.starters import note_starter
from gpu_workers.actions.leases import fenced
from gpu_workers.incident_events import (
    EvidenceAdded,
    IncidentClosed,
    IncidentOpened,
    IncidentTriaged,
    RemedySettled,
    TriageAsked,
)
from gpu_workers.incidents.evidence import split_lines
from gpu_workers.models import Incident, IncidentEvidence, IncidentReport, Run
from gpu_workers.models.incident import EvidenceKind, RemedyState, Severity
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid, TooLarge
from guildhall.kernel.redaction import redact

MAX_BYTES = 1024 * 1024
MOST_FILES = 12
MOST_PARTS = 30
MIN_NOTE = 10


@dataclass(frozen=True, slots=True)
class NewIncident:
    """What a person says of it. `project` is a key, `parts` names what the system consists of."""

    project: str
    title: str
    parts: tuple[str, ...]
    description: str = ""
    severity: str = Severity.MEDIUM


@governed("incident.open", lock=None)
def open_incident(*, actor: Actor, new: NewIncident) -> Incident:
    """Write an incident down. Raises `Invalid` with the fields; the caller has found the project."""
    parts = list(dict.fromkeys(part.strip() for part in new.parts if part.strip()))
    problems: dict[str, list[str]] = {}
    if not 3 <= len(new.title.strip()) <= 200:
        problems["title"] = ["Say what is wrong in 3 to 200 characters."]
    if len(new.description) > 20_000:
        problems["description"] = ["At most 20000 characters; bring logs as evidence."]
    if not 2 <= len(parts) <= MOST_PARTS or any(len(part) > 60 for part in parts):
        problems["parts"] = [f"Name 2 to {MOST_PARTS} parts of the system, each in at most 60 characters."]
    if new.severity not in Severity.values:
        problems["severity"] = [f"Choose one of {', '.join(Severity.values)}."]
    if problems:
        raise Invalid("The incident cannot be opened like this.", fields=problems)
    incident = Incident.objects.create(
        project=new.project,
        title=new.title.strip(),
        description=new.description.strip(),
        parts=parts,
        severity=new.severity,
        opened_by=actor.ref,
        opened_by_name=actor.name[:200],
    )
    event = IncidentOpened(
        subject=incident.ref, project=incident.project, title=incident.title, severity=incident.severity
    )
    record(event, actor=actor, after={"state": incident.state, "parts": parts})
    return incident


@governed("incident.add_evidence", lock="incident")
def add_evidence(*, actor: Actor, incident: Incident, name: str, kind: str, data: bytes) -> IncidentEvidence:
    """Keep a text file, without the secrets in it. Raises `TooLarge`, `Invalid` with the fields, `Conflict`."""
    _refuse_closed(incident)
    if len(data) > MAX_BYTES:
        raise TooLarge(
            f"At most {MAX_BYTES // 1024} KiB a file; this has {len(data) // 1024}. Bring the part that matters."
        )
    called = _file_name(name)
    problems: dict[str, list[str]] = {}
    if kind not in EvidenceKind.values:
        problems["kind"] = [f"Choose one of {', '.join(EvidenceKind.values)}."]
    if not data.strip() or b"\0" in data:
        problems["file"] = ["Choose a text file that holds something."]
    elif incident.evidence.filter(name=called).exists():
        problems["file"] = [f"There is a file {called} already; give this one another name."]
    if problems:
        raise Invalid("The evidence cannot be taken like this.", fields=problems)
    if incident.evidence.count() >= MOST_FILES:
        raise Conflict(f"{MOST_FILES} files are the most that an incident has.")
    text = redact(data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n"))
    row = IncidentEvidence.objects.create(
        incident=incident,
        name=called,
        kind=kind,
        text=text,
        size=len(data),
        lines=len(split_lines(text)),
        sha256=hashlib.sha256(data).hexdigest(),
        added_by=actor.ref,
        added_by_name=actor.name[:200],
    )
    event = EvidenceAdded(subject=incident.ref, name=called, evidence_kind=kind, lines=row.lines)
    record(event, actor=actor, after={"sha256": row.sha256, "size": row.size})
    return row


def _file_name(name: str) -> str:
    """A name that can be cited: no folders, no blanks, no colon."""
    bare = name.replace("\\", "/").rpartition("/")[2].strip()
    kept = "".join(sign if sign.isalnum() or sign in "._-+" else "_" for sign in bare)
    return kept.strip(".")[-120:] or "evidence.txt"


@governed("incident.ask_triage", lock="incident")
def ask_triage(*, actor: Actor, incident: Incident) -> Incident:
    """Have an Ops agent look at the evidence. Raises `Conflict` without evidence, or while one is at it already."""
    _refuse_closed(incident)
    if not incident.evidence.exists():
        raise Conflict("Bring evidence first: a log, metrics, errors or what the health checks said.")
    if (
        incident.wanted
        and Run.objects.filter(subject=incident.ref, state__in=["queued", "running", "waiting"]).exists()
    ):
        raise Conflict("An agent is at it already.")
    incident.triages += 1
    incident.wanted = True
    incident.save(update_fields=["triages", "wanted"])
    note_starter(actor=actor, subject=incident.ref, anew=True)
    record(TriageAsked(subject=incident.ref, number=incident.triages), actor=actor)
    return incident


@governed("incident.report", lock="incident")
def keep_report(*, actor: Actor, incident: Incident, run: Run, fence: int, found: dict[str, Any]) -> IncidentReport:
    """Keep what a run found, once; its remedy takes the place of one that nobody decided on.

    `found` has passed `incidents.report.problems`. Raises `Conflict` when the incident is closed, `LeaseLost`.
    """
    fenced(Run.objects.select_for_update().get(pk=run.pk), fence)
    known = IncidentReport.objects.filter(run=run.number).first()
    if known is None:
        _refuse_closed(incident)
        _withdraw(incident)
        known = IncidentReport.objects.create(
            incident=incident,
            run=run.number,
            agent=actor.ref,
            part=found["part"],
            cause=redact(found["cause"]),
            citations=found["citations"],
            remedy=redact(found["remedy"]),
            command=redact(found.get("command", "")),
            change=redact(found.get("change", "")),
        )
        incident.triage()
        incident.wanted = False
        incident.save(update_fields=["state", "wanted"])
    event = IncidentTriaged(subject=incident.ref, report=known.pk, part=known.part, cited=len(known.citations))
    record(event, actor=actor, after={"state": incident.state, "part": known.part})
    return known


@governed("incident.settle_remedy", lock="incident")
def settle_remedy(
    *, actor: Actor, incident: Incident, report: int, state: RemedyState, approval: int, feedback: str = ""
) -> None:
    """Keep what people said of a remedy, once. Raises `Conflict` when it is settled."""
    row = IncidentReport.objects.select_for_update().get(pk=report, incident=incident)
    if row.state != RemedyState.PROPOSED:
        raise Conflict(f"The remedy of report {row.pk} is {row.state} already.")
    {RemedyState.ACCEPTED: row.accept, RemedyState.REJECTED: row.reject, RemedyState.EXPIRED: row.expire}[state]()
    row.feedback = feedback
    row.save(update_fields=["state", "feedback"])
    event = RemedySettled(subject=incident.ref, report=row.pk, state=row.state, approval=approval)
    record(event, actor=actor, before={"state": "proposed"}, after={"state": row.state})


@governed("incident.close", lock="incident")
def close_incident(*, actor: Actor, incident: Incident, note: str) -> Incident:
    """Say that it is over, and what came of it. A remedy that nobody decided on is withdrawn. Raises `Invalid`."""
    _refuse_closed(incident)
    said = note.strip()
    if not MIN_NOTE <= len(said) <= 2000:
        raise Invalid("The incident was not closed.", fields={"note": ["Say how it ended in 10 to 2000 characters."]})
    before = incident.state
    _withdraw(incident)
    incident.close()
    incident.wanted = False
    incident.closed_by, incident.closed_by_name, incident.closing_note = actor.ref, actor.name[:200], said
    incident.closed_at = Now()
    incident.save(update_fields=["state", "wanted", "closed_by", "closed_by_name", "closing_note", "closed_at"])
    record(
        IncidentClosed(subject=incident.ref, note=said[:300]),
        actor=actor,
        before={"state": before},
        after={"state": "closed"},
        reason=said,
    )
    incident.refresh_from_db()
    return incident


def _withdraw(incident: Incident) -> None:
    for row in incident.reports.select_for_update().filter(state=RemedyState.PROPOSED):
        row.withdraw()
        row.save(update_fields=["state"])


def _refuse_closed(incident: Incident) -> None:
    if incident.is_closed:
        raise Conflict("This incident is closed.")
