"""What people keep: the tenant's labels, and filters under a name."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render

from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.portal.views import PageRequest, form_page
from workflows.actions.labels import create_label, delete_label, edit_label
from workflows.actions.saved import delete_filter, save_filter
from workflows.models import Label
from workflows.models.label import COLOURS
from workflows.policies import sees_all
from workflows.selectors.beside import filters_visible_to, find_filter, find_label, labels_visible_to
from workflows.selectors.filters import StoryFilter
from workflows.web.beside import may

COLOUR_WORDS = {
    "idle": "Grey",
    "run": "Blue",
    "wait": "Amber",
    "ok": "Green",
    "bad": "Red",
    "d1": "Deep blue",
    "d2": "Teal",
    "d3": "Mauve",
    "d4": "Pale grey",
}


@form_page
def labels(request: PageRequest) -> HttpResponse:
    """The tenant's labels: made, renamed, merged and deleted here."""
    if not sees_all(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")
    if request.method != "POST":
        return _labels(request)
    act = LABEL_ACTS.get(request.POST.get("act", ""))
    try:
        if act is None:
            problem = f"Choose one of {', '.join(LABEL_ACTS)}."
            raise Invalid(problem, fields={"act": [problem]})
        messages.success(request, act(request))
    except NotFound:
        raise
    except GuildhallError as error:
        return _labels(request, problem=error)
    return redirect("labels")


def _labels(request: PageRequest, problem: GuildhallError | None = None) -> HttpResponse:
    actor = request.actor
    counted = labels_visible_to(actor).annotate(number=Count("stories", distinct=True))
    context: dict[str, Any] = {
        "labels": list(counted),
        "colours": [(colour, COLOUR_WORDS[colour]) for colour in COLOURS],
        "may_edit": may(actor, "label.edit"),
        "may_delete": may(actor, "label.delete"),
        "problem": problem,
        "sent": request.POST if problem else {},
    }
    return render(request, "workflows/labels.html", context, status=problem.status if problem else 200)


def _create(request: PageRequest) -> str:
    sent = request.POST
    made = create_label(actor=request.actor, name=sent.get("name", ""), colour=sent.get("colour", "idle"))
    return f"The label “{made.name}” is made."


def _edit(request: PageRequest) -> str:
    sent = request.POST
    version = sent.get("version", "")
    label = edit_label(
        actor=request.actor,
        label=_label(request, "label"),
        name=sent.get("name", ""),
        colour=sent.get("colour", ""),
        version=int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else None,
    )
    return f"The label “{label.name}” is changed."


def _delete(request: PageRequest) -> str:
    label = _label(request, "label")
    into = _label(request, "into") if request.POST.get("into") else None
    name = label.name
    delete_label(actor=request.actor, label=label, into=into)
    return f"“{name}” is merged into “{into.name}”." if into else f"The label “{name}” is deleted."


def _label(request: PageRequest, field: str) -> Label:
    given = request.POST.get(field, "")
    return find_label(request.actor, int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else 0)


LABEL_ACTS: dict[str, Callable[[PageRequest], str]] = {"create": _create, "edit": _edit, "delete": _delete}


@form_page
def filters(request: PageRequest) -> HttpResponse:
    """Kept filters, and the one in the address, which can be kept here."""
    if request.method != "POST":
        return _filters(request, StoryFilter.parse(request.GET))
    sent = request.POST
    if sent.get("act") == "delete":
        given = sent.get("filter", "")
        saved = find_filter(
            request.actor, int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else 0
        )
        delete_filter(actor=request.actor, saved=saved)
        messages.success(request, f"The filter “{saved.name}” is deleted.")
        return redirect("filters")
    wanted = StoryFilter.parse(QueryDict(sent.get("query", "")[:2000]).dict())
    try:
        made = save_filter(
            actor=request.actor, name=sent.get("name", ""), query=wanted.query(), shared=bool(sent.get("shared"))
        )
    except GuildhallError as error:
        return _filters(request, wanted, problem=error)
    messages.success(request, f"The filter “{made.name}” is kept.")
    return redirect(f"/stories/?{made.query}")


def _filters(request: PageRequest, wanted: StoryFilter, problem: GuildhallError | None = None) -> HttpResponse:
    actor = request.actor
    context = {
        "wanted": wanted,
        "query": wanted.query(),
        "filters": [
            (row, row.owner == actor.ref or (row.shared and actor.has_role("admin")))
            for row in filters_visible_to(actor)
        ],
        "team": sees_all(actor),
        "problem": problem,
        "sent": request.POST if problem else {},
    }
    return render(request, "workflows/filters.html", context, status=problem.status if problem else 200)
