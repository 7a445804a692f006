"""Pages of incidents: the list, the form that opens one, one with its evidence and what an agent made of it."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from governance.selectors import latest_approval
from governance.views import ApprovalView
from gpu_workers.actions.incidents import (
    MAX_BYTES,
    NewIncident,
    add_evidence,
    ask_triage,
    close_incident,
    open_incident,
)
from gpu_workers.incidents.evidence import MOST_LINES, numbered, split_lines
from gpu_workers.incidents.reading import find_evidence, find_incident, incidents_visible_to
from gpu_workers.models import Incident, IncidentReport, Run
from gpu_workers.models.incident import EvidenceKind, Severity
from gpu_workers.policies import GRANTS
from gpu_workers.runs.asking import KIND
from gpu_workers.selectors import runs_visible_to
from gpu_workers.web.again import given_up_on
from gpu_workers.web.shown import has_team_role, run_rows
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied, GuildhallError, NotFound
from guildhall.portal.registry import Panel, register_address, register_panel
from guildhall.portal.views import PageRequest, form_page, page
from workflows.models import Project
from workflows.selectors.lists import find_project

PAGE_SIZE = 30
TONES = {"open": "t-wait", "triaged": "t-run", "closed": "t-idle"}
REMEDY_TONES = {"proposed": "t-wait", "accepted": "t-ok", "rejected": "t-bad"}


def may(actor: Actor, action: str) -> bool:
    """Whether the actor's roles are named for one of the acts on incidents."""
    return actor.has_role(*GRANTS[action])


@page
def incidents(request: PageRequest) -> HttpResponse:
    """All incidents, newest first."""
    if not has_team_role(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")
    shown = Paginator(incidents_visible_to(request.actor), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "pages": shown,
        "rows": [(incident, TONES[incident.state]) for incident in shown.object_list],
        "may_open": may(request.actor, "incident.open"),
    }
    return render(request, "gpu_workers/incidents.html", context)


@form_page
def new_incident(request: PageRequest) -> HttpResponse:
    """The form that opens an incident."""
    if not has_team_role(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")
    if not may(request.actor, "incident.open"):
        raise Denied("Incidents are opened by members who build or run things.")
    sent = {name: request.POST.get(name, "") for name in ("project", "title", "description", "parts", "severity")}
    if request.method != "POST":
        return _form(request, {**sent, "severity": Severity.MEDIUM})
    try:
        project = find_project(request.actor, sent["project"])
        new = NewIncident(
            project=project.key,
            title=sent["title"],
            parts=tuple(sent["parts"].replace(",", "\n").splitlines()),
            description=sent["description"],
            severity=sent["severity"],
        )
        made = open_incident(actor=request.actor, new=new)
    except GuildhallError as problem:
        return _form(request, sent, status=422 if problem.status == 404 else problem.status, problem=problem)
    messages.success(request, "The incident is open. Bring what shows the trouble, then ask for a triage.")
    return redirect("incident", pk=made.pk)


def _form(request: PageRequest, sent: dict[str, str], *, status: int = 200, **more: Any) -> HttpResponse:
    projects = Project.objects.order_by("key").values_list("key", "name")
    context = {"sent": sent, "projects": projects, "severities": Severity.choices, **more}
    return render(request, "gpu_workers/incident_form.html", context, status=status)


@form_page
def incident(request: PageRequest, pk: int) -> HttpResponse:
    """One incident; its forms bring evidence, ask for a triage, and close it."""
    row = find_incident(request.actor, pk)
    if request.method != "POST":
        return _show(request, row)
    try:
        said = _act(request, row)
    except NotFound:
        raise
    except GuildhallError as problem:
        row.refresh_from_db()
        return _show(request, row, status=problem.status, problem=problem, note=request.POST.get("note", ""))
    messages.success(request, said)
    return redirect("incident", pk=pk)


def _act(request: PageRequest, row: Incident) -> str:
    act = request.POST.get("act", "")
    if act == "triage":
        ask_triage(actor=request.actor, incident=row)
        return "A triage is asked for; it begins when an Ops agent is free."
    if act == "close":
        close_incident(actor=request.actor, incident=row, note=request.POST.get("note", ""))
        return "The incident is closed."
    sent = request.FILES.get("file")
    data = sent.read(MAX_BYTES + 1) if sent is not None else b""
    name = (sent.name or "") if sent is not None else ""
    made = add_evidence(actor=request.actor, incident=row, name=name, kind=request.POST.get("kind", ""), data=data)
    return f"{made.name} is kept with {made.lines} lines."


def _show(request: PageRequest, row: Incident, *, status: int = 200, **more: Any) -> HttpResponse:
    actor: Actor = request.actor
    runs = list(runs_visible_to(actor).filter(subject=row.ref)[:10])
    reports = list(row.reports.all()[:10])
    context = {
        "incident": row,
        "tone": TONES[row.state],
        "evidence": row.evidence.all(),
        "kinds": EvidenceKind.choices,
        "reports": [(report, REMEDY_TONES.get(report.state, "t-idle"), _cited(row, report)) for report in reports],
        "asked": latest_approval(row.ref, kind=KIND),
        "runs": run_rows(runs),
        "again": given_up_on(actor, runs[:1]) if row.wanted else [],
        "waits": row.wanted and not any(run.is_open for run in runs),
        "may_act": may(actor, "incident.add_evidence") and not row.is_closed,
        **more,
    }
    return render(request, "gpu_workers/incident.html", context, status=status)


def _cited(row: Incident, report: IncidentReport) -> list[tuple[str, int, str, int | None]]:
    """Each citation with the id of its file."""
    ids = dict(row.evidence.values_list("name", "pk"))
    return [(one["file"], one["line"], one["quote"], ids.get(one["file"])) for one in report.citations]


@page
def evidence(request: PageRequest, pk: int, file: int) -> HttpResponse:
    """Lines of one file, as an agent reads them: without secrets, from `?line=` on."""
    row = find_evidence(request.actor, pk, file)
    wanted = request.GET.get("line", "")
    line = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 9 else 1
    first = max(1, line - 20) if line > 1 else 1
    lines = split_lines(row.text)
    context = {
        "incident": row.incident,
        "file": row,
        "line": line if wanted else 0,
        "lines": numbered(lines, first),
        "before": max(1, first - MOST_LINES) if first > 1 else 0,
        "after": first + MOST_LINES + 20 if first + MOST_LINES <= len(lines) else 0,
    }
    return render(request, "gpu_workers/incident_evidence.html", context)


def remedy_evidence(actor: Actor, view: ApprovalView) -> dict[str, Any] | None:
    """What the approval of a remedy rests on, and what approving it does and does not do."""
    kind, _, number = view.subject.partition(":")
    if kind != "incident" or not has_team_role(actor):
        return None
    report = IncidentReport.objects.select_related("incident").filter(pk=int(view.binding.get("report", 0))).first()
    if report is None or report.incident_id != int(number):
        return None
    run = Run.objects.filter(number=report.run).first()
    return {"report": report, "incident": report.incident, "run": run, "cited": _cited(report.incident, report)}


def register() -> None:
    """Called once the apps are ready."""
    template = "gpu_workers/_remedy_evidence.html"
    register_panel(Panel("remedy-evidence", "approval.agent_action", template, 10, remedy_evidence, "incident:*"))
    register_address("incident", lambda number: f"/incidents/{number}/")
