"""Pages of change requests: the list, and one with its diff, what was said of its lines, and what became of it."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from gpu_workers.actions.remarks import NewRemark, edit_remark, withdraw_remark
from gpu_workers.models import ChangeRequest
from gpu_workers.models.change import ChangeState
from gpu_workers.remarking import write_remark
from gpu_workers.selectors import change_for, changes_of_project, changes_visible_to, remark_for
from gpu_workers.web.change_shown import shown_change
from gpu_workers.web.shown import change_tone, has_team_role
from guildhall.kernel.errors import Denied, GuildhallError, Invalid, NotFound
from guildhall.portal.views import PageRequest, form_page, page
from workflows.models import Project

PAGE_SIZE = 30
LONGEST_LINE = 9


@page
def changes(request: PageRequest) -> HttpResponse:
    """Change requests, newest first, of one state and project where `?state=` and `?project=` say so."""
    if not has_team_role(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")
    state, project = request.GET.get("state", ""), request.GET.get("project", "")
    found = changes_visible_to(request.actor)
    if state in ChangeState.values:
        found = found.filter(state=state)
    projects = list(Project.objects.order_by("key").values_list("key", "name"))
    if project in dict(projects):
        found = changes_of_project(found, project)
    pages = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "states": [("", "All"), *ChangeState.choices],
        "state": state if state in ChangeState.values else "",
        "projects": projects,
        "project": project if project in dict(projects) else "",
        "pages": pages,
        "rows": [(change, change_tone(change)) for change in pages.object_list],
    }
    return render(request, "gpu_workers/changes.html", context)


@form_page
def change(request: PageRequest, number: int) -> HttpResponse:
    """One change request; its forms remark on a line of it, and mend or take back what one said."""
    row = change_for(request.actor, number)
    if request.method != "POST":
        return _show(request, row)
    if "act" in request.POST:
        return _mended(request, row)
    sent = {name: request.POST.get(name, "")[:5000] for name in ("commit_sha", "path", "side", "line", "text")}
    try:
        made = write_remark(request.actor, row, _wanted(sent))
    except (NotFound, Denied):
        raise
    except GuildhallError as problem:
        row.refresh_from_db()
        return _show(request, row, status=problem.status, problem=problem, sent=sent)
    messages.success(request, f"Your remark stands on line {made.line} of {made.path}.")
    return redirect("change", number=number)


def _mended(request: PageRequest, row: ChangeRequest) -> HttpResponse:
    """One's own remark said otherwise or taken back; what cannot be is said, with what was typed."""
    act, text = request.POST["act"], request.POST.get("text", "")[:5000]
    remark = remark_for(request.actor, row.number, _number(request.POST.get("remark", "")))
    try:
        if act == "withdraw":
            withdraw_remark(actor=request.actor, remark=remark)
            said = "Your remark is taken back."
        elif act == "edit":
            seen = _number(request.POST.get("version", ""))
            edit_remark(actor=request.actor, remark=remark, text=text, version=seen)
            said = "Your remark is changed."
        else:
            raise Invalid("Choose one of edit, withdraw.", fields={"act": ["Choose one of edit, withdraw."]})
    except (NotFound, Denied):
        raise
    except GuildhallError as problem:
        return _show(request, row, status=problem.status, problem=problem, mending=remark.pk, typed=text)
    messages.success(request, said)
    return redirect("change", number=row.number)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST_LINE else 0


def _wanted(sent: dict[str, str]) -> NewRemark:
    return NewRemark(
        commit_sha=sent["commit_sha"],
        path=sent["path"],
        line=_number(sent["line"]),
        text=sent["text"],
        side="old" if sent["side"] == "old" else "new",
    )


def _show(request: PageRequest, row: ChangeRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    context = {**shown_change(request.actor, row), **more}
    return render(request, "gpu_workers/change.html", context, status=status)
