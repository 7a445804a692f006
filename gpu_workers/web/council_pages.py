"""Pages of councils: the list, one deliberation to follow live, and the form that calls one."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from gpu_workers.councils.convening import QUESTIONS, call_council, chairs_for
from gpu_workers.selectors import run_of_council
from gpu_workers.web.council_offers import CALLERS, offers_on
from gpu_workers.web.council_shown import council_rows, shown_council
from gpu_workers.web.shown import has_team_role
from guildhall.kernel.errors import Conflict, Denied, GuildhallError, NotFound
from guildhall.portal.registry import parties
from guildhall.portal.views import PageRequest, form_page, page
from workflows.actions.councils import waive_council
from workflows.models import Council, Story
from workflows.models.council import OPEN_COUNCIL, CouncilState, CouncilSubject
from workflows.selectors import find_story
from workflows.selectors.councils import contributions_of, councils_visible_to, find_council, spent_on

PAGE_SIZE = 30
FILTERS: dict[str, tuple[str, list[str]]] = {
    "": ("All", list(CouncilState.values)),
    "open": ("Deliberating", list(OPEN_COUNCIL)),
    "completed": ("Decided", [CouncilState.COMPLETED]),
    "stopped": ("Stopped", [CouncilState.STOPPED]),
}


@page
def councils(request: PageRequest) -> HttpResponse:
    """All councils, newest first."""
    if not has_team_role(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")
    wanted = request.GET.get("show", "")
    wanted = wanted if wanted in FILTERS else ""
    found = councils_visible_to(request.actor).filter(state__in=FILTERS[wanted][1])
    shown = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "filters": [(key, label, key == wanted) for key, (label, _) in FILTERS.items()],
        "show": wanted,
        "pages": shown,
        "rows": council_rows(list(shown.object_list)),
    }
    return render(request, "gpu_workers/councils.html", context)


@form_page
def council(request: PageRequest, pk: int) -> HttpResponse:
    """One council: phases, a column per seat, scores, the decision; and the way on without it."""
    row = find_council(request.actor, pk)
    if request.method == "POST":
        return _waive(request, row)
    return _show(request, row)


def _waive(request: PageRequest, row: Council) -> HttpResponse:
    reason = request.POST.get("reason", "").strip()
    try:
        waive_council(actor=request.actor, council=row, reason=reason)
    except NotFound:
        raise
    except GuildhallError as error:
        return _show(request, find_council(request.actor, row.pk), status=error.status, problem=error, reason=reason)
    messages.success(request, f"{row.story.reference} goes on without council {row.pk}.")
    return redirect("council", pk=row.pk)


def _show(request: PageRequest, row: Council, *, status: int = 200, **more: Any) -> HttpResponse:
    run = run_of_council(row.ref)
    offers = offers_on(request.actor, row, run)
    context = {
        "council": row,
        "shown": shown_council(row, contributions_of(row), run),
        "run": run,
        "spent": spent_on(row),
        "asked": parties([row.asked_by])[row.asked_by],
        "waivable": "waive" in offers,
        "callable": "call" in offers,
        "again": [run] if "retry" in offers else [],
        **more,
    }
    return render(request, "gpu_workers/council.html", context, status=status)


@form_page
def call(request: PageRequest, reference: str) -> HttpResponse:
    """The form that calls a council on a story."""
    story = find_story(request.actor, reference)
    if not request.actor.has_role(*CALLERS):
        raise Denied("Councils are called by a product owner or an architect.")
    if request.method != "POST":
        return _form(request, story, {"subject": request.GET.get("subject", "plan")})
    sent = {"subject": request.POST.get("subject", ""), "question": request.POST.get("question", "").strip()[:2000]}
    try:
        found, made = call_council(actor=request.actor, story=story, **sent)
    except NotFound:
        raise
    except GuildhallError as error:
        return _form(request, story, sent, status=error.status, problem=error)
    messages.success(request, f"Council {found.pk} {'is called' if made else 'deliberates on this already'}.")
    return redirect("council", pk=found.pk)


def _form(request: PageRequest, story: Story, sent: dict[str, str], *, status: int = 200, **more: Any) -> HttpResponse:
    try:
        seats, lacking = chairs_for(story), ""
    except Conflict as nobody:
        seats, lacking = [], nobody.detail
    who = parties([seat.agent for seat in seats])
    context = {
        "story": story,
        "subjects": [(key, label, QUESTIONS[key], key == sent["subject"]) for key, label in CouncilSubject.choices],
        "sent": sent,
        "seats": [(who[seat.agent], seat.role) for seat in seats],
        "lacking": lacking,
        **more,
    }
    return render(request, "gpu_workers/council_form.html", context, status=status)
