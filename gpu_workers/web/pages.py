"""Pages of runs: the list, one run with everything it did, and its log from a line on."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from governance.hold_targets import may_pause
from governance.scopes import ScopeKind
from governance.selectors import budgets, spend_of
from gpu_workers.actions.runs import cancel_run
from gpu_workers.ci_answers import known_ci
from gpu_workers.models import Run
from gpu_workers.models.run import ENDED, OPEN, RunKind, RunState
from gpu_workers.selectors import change_of_task, log_of, run_for, runs_visible_to, step_for, steps_of, totals_of
from gpu_workers.web.again import MOST_REASON, given_up_on
from gpu_workers.web.run_network import network_of
from gpu_workers.web.shown import (
    RUN_TONES,
    agent_party,
    chart_of,
    diff_of,
    has_team_role,
    run_rows,
    seconds_of,
    shown_ci,
    step_rows,
)
from gpu_workers.web.step_shown import shown_step
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.kernel.reasons import checked_reason
from guildhall.portal.registry import panels_for
from guildhall.portal.views import PageRequest, form_page, page

PAGE_SIZE = 30
COMMITTING = (RunKind.WORK, RunKind.REVIEW, RunKind.TEST)
"""Kinds of runs that are about a commit."""
LOG_PIECES = 500
FILTERS: dict[str, tuple[str, list[str]]] = {
    "": ("All", [*OPEN, *ENDED]),
    "open": ("Open", list(OPEN)),
    "escalated": ("Escalated", [RunState.ESCALATED]),
    "failed": ("Failed", [RunState.FAILED]),
}


@page
def runs(request: PageRequest) -> HttpResponse:
    """All runs, newest first."""
    if not has_team_role(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")
    wanted = request.GET.get("show", "")
    wanted = wanted if wanted in FILTERS else ""
    visible = runs_visible_to(request.actor)
    pages = Paginator(visible.filter(state__in=FILTERS[wanted][1]), PAGE_SIZE)
    shown = pages.get_page(request.GET.get("page"))
    context = {
        "filters": [(key, label, key == wanted) for key, (label, _) in FILTERS.items()],
        "show": wanted,
        "pages": shown,
        "rows": run_rows(shown.object_list),
    }
    return render(request, "gpu_workers/runs.html", context)


@form_page
def run(request: PageRequest, number: int) -> HttpResponse:
    """One run: phases, live log, diff, CI, cost, steps; and the way to stop it."""
    row = run_for(request.actor, number)
    if request.method == "POST":
        return _stop(request, row)
    return _show(request, row)


def _stop(request: PageRequest, row: Run) -> HttpResponse:
    reason = request.POST.get("reason", "").strip()
    try:
        cancel_run(actor=request.actor, run=row, reason=checked_reason(reason, MOST_REASON))
    except NotFound:
        raise
    except GuildhallError as error:
        row.refresh_from_db()
        return _show(request, row, status=error.status, problem=error, reason=reason)
    messages.success(request, f"Run {row.number} is stopped. What it had done so far is kept.")
    return redirect("run", number=row.number)


def _show(request: PageRequest, row: Run, *, status: int = 200, **more: Any) -> HttpResponse:
    steps = steps_of(row)
    task = row.subject.removeprefix("task:") if row.subject.startswith("task:") else ""
    change = change_of_task(task) if task else None
    repository = row.repository or (change.repository if change else "")
    ci = known_ci(repository, row.head_sha) if repository and row.head_sha else None
    limit = next(iter(budgets(kind=ScopeKind.RUN, scope_id=str(row.number))), None)
    log = log_of(row, limit=LOG_PIECES)
    context = {
        "run": row,
        "task": task,
        "who": agent_party(row.agent),
        "tone": RUN_TONES[row.state],
        "seconds": seconds_of(row),
        "chart": chart_of(row, steps),
        "log": log,
        "more_log": len(log) == LOG_PIECES,
        "steps": step_rows(steps),
        "totals": totals_of(row),
        "spent": spend_of("run", str(row.number)),
        "limit": limit,
        "change": change,
        "ci": shown_ci(ci),
        "files": diff_of(repository, row.base_sha, row.head_sha),
        "again": given_up_on(request.actor, [row]),
        "network": network_of(row),
        "committing": COMMITTING,
        "may_pause": may_pause(request.actor),
        "panels": panels_for("run.aside", request.actor, row.number),
        **more,
    }
    return render(request, "gpu_workers/run.html", context, status=status)


@page
def step(request: PageRequest, number: int, pk: int) -> HttpResponse:
    """What the agent was told, with what it called and what it got in one step; for htmx the gist of it alone."""
    row = step_for(request.actor, number, pk)
    part = bool(getattr(request, "htmx", False))
    shown = shown_step(row, whole=not part)
    context = {"run": row.run, "step": row, "row": step_rows([row])[0], "shown": shown, "whole": not part}
    return render(request, "gpu_workers/_step.html" if part else "gpu_workers/step.html", context)


@page
def log(request: PageRequest, number: int) -> HttpResponse:
    """Lines of a run's log after the one with id `?after=`; `X-Run-Open` says whether more may come."""
    row = run_for(request.actor, number)
    after = request.GET.get("after", "0")
    if not after.isdecimal() or len(after) > 18:
        raise Invalid("Give the id of the last line that you have.", fields={"after": ["Give a whole number."]})
    lines = log_of(row, after=int(after), limit=LOG_PIECES)
    response = render(request, "gpu_workers/_log_lines.html", {"log": lines})
    response["X-Run-Open"] = "yes" if row.is_open or len(lines) == LOG_PIECES else "no"
    return response
