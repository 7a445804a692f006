"""Pages of proposals about a backlog: the list with its form, and one to decide on."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from gpu_workers.actions.proposals import ask_proposal, decide_proposal
from gpu_workers.models import Proposal
from gpu_workers.models.proposal import ProposalKind
from gpu_workers.planner.checks import HORIZONS
from gpu_workers.planner.reading import find_proposal, proposals_visible_to
from gpu_workers.selectors import runs_visible_to
from gpu_workers.trackers.importing import ISSUES
from gpu_workers.web.incident_pages import may
from gpu_workers.web.shown import has_team_role, run_rows
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.portal.registry import NavItem, register_address, register_nav
from guildhall.portal.views import PageRequest, form_page
from workflows.models import Project, Story
from workflows.selectors.lists import find_project

PAGE_SIZE = 30
TONES = {"asked": "t-run", "proposed": "t-wait", "accepted": "t-run", "carried_out": "t-ok", "failed": "t-bad"}


@form_page
def proposals(request: PageRequest) -> HttpResponse:
    """All proposals, newest first, and the form that asks for one."""
    if not has_team_role(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")
    sent = {name: request.POST.get(name, "").strip() for name in ("project", "kind", "wish", "capacity")}
    if request.method != "POST":
        return _list(request, sent)
    try:
        project = find_project(request.actor, sent["project"])
        made = ask_proposal(
            actor=request.actor,
            project=project.key,
            kind=sent["kind"],
            wish=sent["wish"],
            capacity=_points(sent["capacity"]),
        )
    except GuildhallError as problem:
        return _list(request, sent, status=422 if problem.status == 404 else problem.status, problem=problem)
    messages.success(request, "A PM agent works it out. Nothing changes before you accept it.")
    return redirect("proposal", pk=made.pk)


def _points(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise Invalid("This cannot be worked out.", fields={"capacity": ["Give a whole number of points."]})
    return int(text)


def _list(request: PageRequest, sent: dict[str, str], *, status: int = 200, **more: Any) -> HttpResponse:
    shown = Paginator(proposals_visible_to(request.actor), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "pages": shown,
        "rows": [(row, TONES.get(row.state, "t-idle")) for row in shown.object_list],
        "may_ask": may(request.actor, "proposal.ask"),
        "projects": Project.objects.order_by("key").values_list("key", "name"),
        "kinds": ProposalKind.choices,
        "sent": sent,
        **more,
    }
    return render(request, "gpu_workers/proposals.html", context, status=status)


@form_page
def proposal(request: PageRequest, pk: int) -> HttpResponse:
    """One proposal; its form accepts or rejects it."""
    row = find_proposal(request.actor, pk)
    if request.method != "POST":
        return _show(request, row)
    feedback = request.POST.get("feedback", "")
    try:
        decide_proposal(actor=request.actor, proposal=row, decision=request.POST.get("decision", ""), feedback=feedback)
    except NotFound:
        raise
    except GuildhallError as problem:
        return _show(
            request, find_proposal(request.actor, pk), status=problem.status, problem=problem, feedback=feedback
        )
    messages.success(request, "It is decided.")
    return redirect("proposal", pk=pk)


def _show(request: PageRequest, row: Proposal, *, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "proposal": row,
        "tone": TONES.get(row.state, "t-idle"),
        "words": row.content.get("summary") or row.content.get("goal", ""),
        "lists": _lists(row),
        "issues": row.content.get(ISSUES, []),
        "place": row.content.get("source", {}).get("place", ""),
        "runs": run_rows(runs_visible_to(request.actor).filter(subject=row.ref)[:5]),
        "may_decide": may(request.actor, "proposal.decide") and row.state in ("proposed", "asked"),
        **more,
    }
    return render(request, "gpu_workers/proposal.html", context, status=status)


def _lists(row: Proposal) -> list[tuple[str, list[dict[str, Any]]]]:
    """The named lists of stories of any kind of proposal, each entry with its story's title."""
    named = [(name.capitalize(), row.content.get(name, [])) for name in (*HORIZONS, "stories") if name in row.content]
    references = [entry["story"] for _, entries in named for entry in entries]
    titles = dict(Story.objects.filter(reference__in=references).values_list("reference", "title"))
    return [
        (name, [{**entry, "title": titles.get(entry["story"], "")} for entry in entries]) for name, entries in named
    ]


def register() -> None:
    """Called once the apps are ready."""
    register_nav(NavItem("Proposals", "list-check", "/proposals/", 46, "Work", "", shown_to=has_team_role))
    register_address("proposal", lambda pk: f"/proposals/{pk}/")
