"""Pages of strategies: what is wanted, how far it has come, what it costs, when it plans by itself."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from governance.hold_targets import may_pause
from governance.scopes import ScopeKind
from governance.selectors import active_policy, budgets, spend_of, spend_of_each
from guildhall.evidence.selectors import trail
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.portal.activity import entries
from guildhall.portal.views import PageRequest, form_page, page
from tenants.models import Comember
from workflows.actions import remove_schedule
from workflows.actions.strategies import STRATEGY_ACTS
from workflows.models import Epic, Project, Strategy
from workflows.policies import sees_all
from workflows.selectors import stories_visible_to, tree
from workflows.selectors.plan_offers import may, plan_offers
from workflows.timetable import Timetable
from workflows.web.plan_form import whole
from workflows.web.shown import cards
from workflows.web.strategy_forms import AUTONOMY_WORDS, OVERLAP_WORDS

T = TypeVar("T")
Act = Callable[[PageRequest, T], str]
"""Carries out a form on the page of something; what was done, in words."""

PAGE_SIZE = 30
TONES = {"active": "t-run", "paused": "t-wait", "ended": "t-idle", "open": "t-run", "closed": "t-ok"}
FIRING_TONES = {
    "fired": "t-run",
    "planned": "t-ok",
    "queued": "t-wait",
    "skipped": "t-idle",
    "replaced": "t-idle",
    "failed": "t-bad",
}
SHOWN_STORIES, SHOWN_RUNS, SHOWN_ENTRIES = 50, 15, 20


def chosen(request: PageRequest) -> tuple[str, list[tuple[str, str, bool]]]:
    """The project of `?project=`, and all of them to choose from when there is more than one."""
    current = request.GET.get("project", "")
    known = list(Project.objects.values_list("key", "name"))
    if len(known) < 2:
        return "", []
    current = current if current in dict(known) else ""
    links = [("All projects", "?", not current)]
    return current, links + [(name, f"?project={key}", key == current) for key, name in known]


@page
def strategies(request: PageRequest) -> HttpResponse:
    """Goals with their epics, newest first; what has ended comes last."""
    refuse_clients(request)
    project, projects = chosen(request)
    rows = tree.strategies_visible_to(request.actor).order_by("state", "-id")
    epics = tree.epics_visible_to(request.actor).order_by("project__key", "rank", "id")
    if project:
        rows, epics = rows.filter(project__key=project), epics.filter(project__key=project)
    pages = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    shown = list(pages)
    of_strategy: dict[int | None, list[Epic]] = {}
    for epic in epics:
        of_strategy.setdefault(epic.strategy_id, []).append(epic)
    spent = spend_of_each("strategy", [str(row.pk) for row in shown]) if shown else {}
    context = {
        "rows": [
            {
                "row": row,
                "tone": TONES[row.state],
                "spent": spent.get(str(row.pk)),
                "epics": of_strategy.get(row.pk, []),
                "schedule": getattr(row, "schedule", None),
            }
            for row in shown
        ],
        "loose": of_strategy.get(None, []),
        "pages": pages,
        "project": project,
        "projects": projects,
        "writes": request.actor.has_role("admin", "product_owner"),
        "groups": request.actor.has_role("admin", "product_owner", "architect"),
    }
    return render(request, "workflows/strategies.html", context)


def refuse_clients(request: PageRequest) -> None:
    """Raises `NotFound`: goals, plans and decisions are not for clients."""
    if not sees_all(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")


@form_page
def strategy(request: PageRequest, pk: int) -> HttpResponse:
    """One strategy: its goal, money, epics and stories, its schedule and what came of it."""
    row = tree.find_strategy(request.actor, pk)
    if request.method != "POST":
        return _show_strategy(request, row)
    name, said = request.POST.get("act", ""), {"pause": "paused", "resume": "active again", "end": "ended"}

    def act() -> str:
        version = whole(request.POST.get("version", ""), "version")
        if name == "remove_schedule":
            remove_schedule(actor=request.actor, strategy=row, version=version)
            return "The schedule is taken away."
        if name not in STRATEGY_ACTS:
            raise Invalid("A strategy has no such act.", fields={"act": [f"Choose one of {', '.join(STRATEGY_ACTS)}."]})
        reason = request.POST.get("reason", "")
        STRATEGY_ACTS[name](actor=request.actor, strategy=row, reason=reason, version=version)
        return f"The strategy is {said[name]}."

    return done_or_shown(
        request, act, lambda problem: _show_strategy(request, tree.find_strategy(request.actor, pk), problem)
    )


def done_or_shown(
    request: PageRequest, act: Callable[[], str], show: Callable[[GuildhallError], HttpResponse]
) -> HttpResponse:
    """Carry out a form on a page: back to the page with what was done, or the page with what was refused."""
    try:
        said = act()
    except NotFound:
        raise
    except GuildhallError as error:
        return show(error)
    messages.success(request, said)
    return redirect(request.path)


def act_of(request: PageRequest, acts: Mapping[str, Act[T]], row: T, thing: str) -> str:
    """Carry out the act that a form on the page of `row` names. Raises `Invalid` for one that `thing` does not have."""
    name = request.POST.get("act", "")
    if name not in acts:
        raise Invalid(f"{thing} has no such act.", fields={"act": [f"Choose one of {', '.join(acts)}."]})
    return acts[name](request, row)


def _show_strategy(request: PageRequest, row: Strategy, problem: GuildhallError | None = None) -> HttpResponse:
    actor = request.actor
    stories = list(
        stories_visible_to(actor).filter(strategy=row).prefetch_related("tasks").order_by("-changed_at")[:SHOWN_STORIES]
    )
    schedule: Any = getattr(row, "schedule", None)
    limit = next(iter(budgets(kind=ScopeKind.STRATEGY, scope_id=str(row.pk))), None)
    policy = active_policy().document.highest_autonomy
    context = {
        "row": row,
        "tone": TONES[row.state],
        "may": may(actor, row),
        "refused": [(offer.label, " ".join(offer.reasons)) for offer in plan_offers(actor, row) if not offer.allowed],
        "autonomy": AUTONOMY_WORDS[row.autonomy],
        "capped": policy.label if int(row.autonomy[1]) > policy.value else "",
        "cost": spend_of("strategy", str(row.pk)),
        "limit": limit.limit if limit else row.budget_usd,
        "epics": list(tree.epics_visible_to(actor).filter(strategy=row).order_by("rank", "id")),
        "cards": list(cards(stories, with_cost=True).values()),
        "schedule": schedule,
        "left": bool(schedule) and not Comember.objects.filter(public_id=schedule.owner.partition(":")[2]).exists(),
        "schedule_words": Timetable(schedule.cron, schedule.timezone).words() if schedule else "",
        "overlap": OVERLAP_WORDS[schedule.overlap].lower() if schedule else "",
        "runs": [(run, FIRING_TONES[run.state]) for run in tree.runs_visible_to(actor, row)[:SHOWN_RUNS]],
        "entries": entries(trail([row.ref], SHOWN_ENTRIES)),
        "groups": actor.has_role("admin", "product_owner", "architect"),
        "problem": problem,
        "sent": request.POST,
        "may_pause": may_pause(actor),
    }
    return render(request, "workflows/strategy.html", context, status=problem.status if problem else 200)
