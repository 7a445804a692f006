"""Pages of violations: what agents did against the rules, and what people say it was."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from governance.actions.violations import judge_violation
from governance.models import Violation
from governance.models.violations import ViolationKind, ViolationVerdict
from governance.selectors.violations import find_violation, may_judge, violations_visible_to
from guildhall.kernel.errors import GuildhallError
from guildhall.portal.registry import parties
from guildhall.portal.views import PageRequest, form_page, page

ON_PAGE = 30
SAID = {
    "acknowledged": "Acknowledged. The agent’s reputation stays as it is.",
    "false_positive": "Marked as a false positive. The agent gets its points back.",
}
TONES = {"blocked": "t-wait", "redacted": "t-idle", "stopped": "t-bad"}


@page
def violations(request: PageRequest) -> HttpResponse:
    """The newest first; `?show=all` with those that were judged, `?kind=` of one kind, `?agent=` of one agent."""
    rows = violations_visible_to(request.actor)
    show = "all" if request.GET.get("show") == "all" else "open"
    kind, agent = request.GET.get("kind", ""), request.GET.get("agent", "")[:160]
    if show == "open":
        rows = rows.filter(verdict=ViolationVerdict.OPEN)
    if kind in ViolationKind.values:
        rows = rows.filter(kind=kind)
    if agent:
        rows = rows.filter(agent=agent)
    listed = Paginator(rows, ON_PAGE).get_page(request.GET.get("page"))
    who = parties(row.agent for row in listed)
    context = {
        "rows": [(row, who[row.agent], TONES[row.effect]) for row in listed],
        "listed": listed,
        "show": show,
        "kind": kind if kind in ViolationKind.values else "",
        "agent": agent,
        "kinds": ViolationKind.choices,
    }
    return render(request, "governance/violations.html", context)


@form_page
def violation(request: PageRequest, number: int) -> HttpResponse:
    """One violation with what was seen, and the form for those who judge it."""
    row = find_violation(request.actor, number)
    if request.method != "POST":
        return _show(request, row)
    verdict, note = request.POST.get("verdict", ""), request.POST.get("note", "")
    try:
        judge_violation(actor=request.actor, violation=row, verdict=verdict, note=note)
    except GuildhallError as error:
        return _show(request, row, note=note, problem=error)
    messages.success(request, SAID[verdict])
    return redirect("violation", number=number)


def _show(
    request: PageRequest, row: Violation, *, note: str = "", problem: GuildhallError | None = None
) -> HttpResponse:
    known = parties([row.agent, *([row.judged_by] if row.judged_by else [])])
    context = {
        "v": row,
        "who": known[row.agent],
        "judge": known.get(row.judged_by),
        "tone": TONES[row.effect],
        "may": may_judge(request.actor) and row.verdict == ViolationVerdict.OPEN,
        "note": note,
        "problem": problem,
    }
    return render(request, "governance/violation.html", context, status=problem.status if problem else 200)
