"""Pages of costs: what was spent and by whom, the ledger line by line, and what providers counted otherwise."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from governance.events import BudgetAlert, BudgetLimitRemoved, BudgetLimitSet
from governance.models import EntryKind
from governance.models.money import CostKind
from governance.scopes import ScopeKind, Window
from governance.selectors import (
    budgets,
    differences,
    lists,
    reconciliations,
    spend_by,
    spend_by_day,
    spend_per_hour,
    total_spent,
)
from governance.selectors.ledger import LedgerFilter, ledger, ledger_total
from governance.views import BudgetView, EntryView
from governance.web.cost_period import LABELS, Period
from governance.web.cost_shown import ALWAYS, BREAKDOWNS, breakdown, day_chart, hours_today, money_event, owners
from guildhall.api.spreadsheets import csv_download
from guildhall.evidence.selectors import recent
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid, NotFound
from guildhall.kernel.tenancy import release_connection, tenant_scope
from guildhall.portal.views import PageRequest, page

EVENTS = [BudgetAlert.kind, BudgetLimitSet.kind, BudgetLimitRemoved.kind]
MAY_LIMIT = ("admin",)
TONES = {"reserve": "t-idle", "commit": "t-run", "release": "t-idle", "adjust": "t-wait"}
PAGE = 50
PIECE = 500
FILTERED = ("agent", "model", "strategy", "story", "task", "run")
COLUMNS = (
    "id", "at", "kind", "cost_kind", "spent_usd", "reserved_usd", "owner", "agent", "model", "tokens_in", "tokens_out",
    "tokens_cached", "quantity", "estimated", "price_version", "reason", "key", "trace_id", "operation_id", "provider",
    "price_in", "price_out", "price_cached", "unit_price", "project", "strategy", "story", "task", "run", "api_key",
)  # fmt: skip
"""Of the CSV; the first ones as they always were. Prices are US dollars per million tokens, and per second or GiB."""


@page
def costs(request: PageRequest) -> HttpResponse:
    """What was spent in a period: by day, and by model, agent, strategy, story, project, kind of cost and what is chosen."""
    lists.refuse_outsider(request.actor)
    now = timezone.now()
    by = request.GET.get("by", "model")
    by = by if by in BREAKDOWNS else "model"
    period, problem = _period(request)
    days = spend_by_day(by, **period.between)
    shown = list(dict.fromkeys([*([] if by in ALWAYS else [by]), *ALWAYS]))
    lines = {name: spend_by(name, **period.between) for name in shown}
    known = {name: owners(name, [line.owner for line in found]) for name, found in lines.items()}
    limits = budgets(kind=ScopeKind.TENANT)
    windows = {one.window: one for one in limits}
    hours, hours_said = hours_today(spend_per_hour(now.replace(hour=0, minute=0, second=0, microsecond=0)), now)
    context = {
        "period": period,
        "periods": LABELS.items(),
        "by": by,
        "dimensions": BREAKDOWNS.items(),
        "total": total_spent(**period.between),
        "chart": day_chart(by, days, known[by], period, now.date()),
        "breakdowns": [breakdown(name, found, known[name]) for name, found in lines.items()],
        "calls": sum(line.calls for line in lines["model"]),
        "tokens": sum(line.tokens_in + line.tokens_out for line in lines["model"]),
        "day": windows.get(Window.DAY),
        "hour": windows.get(Window.HOUR),
        "hours": hours,
        "hours_said": hours_said,
        "tight": tightest(limits),
        "events": [money_event(entry) for entry in recent(kinds=EVENTS, outcome="done", limit=6)],
        "may_limit": request.actor.has_role(*MAY_LIMIT),
        "problem": problem,
    }
    return render(request, "governance/costs.html", context, status=problem.status if problem else 200)


def tightest(limits: list[BudgetView]) -> BudgetView | None:
    """The limit that is nearest to its end, if one is used to 80 % or more."""
    full = [limit for limit in limits if limit.limit and limit.spent * 100 >= limit.limit * 80]
    return max(full, key=lambda limit: limit.spent / limit.limit, default=None)


def _period(request: PageRequest) -> tuple[Period, Invalid | None]:
    try:
        return Period.parse(request.GET.dict(), timezone.now()), None
    except Invalid as problem:
        return Period.parse({}, timezone.now()), problem


def _wanted(request: PageRequest) -> tuple[LedgerFilter, dict[str, str], Period, Invalid | None]:
    """What the address asks of the ledger: the filter, and the same as the form and other addresses say it."""
    period, problem = _period(request)
    if not {"period", "from", "to"} & set(request.GET):
        period = Period.parse({"period": "all"}, timezone.now())
    given = {name: request.GET.get(name, "").strip().replace("\x00", "")[:160] for name in FILTERED}
    kinds = {"kind": set(EntryKind.values), "cost_kind": set(CostKind.values)}
    given |= {name: value for name, known in kinds.items() if (value := request.GET.get(name, "")) in known}
    columns = {name: value for name, value in given.items() if value}
    return LedgerFilter(columns, **period.between), columns, period, problem


@page
def entries(request: PageRequest) -> HttpResponse:
    """The ledger, newest first, as far as the address asks for it."""
    lists.refuse_outsider(request.actor)
    wanted, columns, period, problem = _wanted(request)
    before = request.GET.get("before", "")
    older_than = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None
    found = ledger(wanted, before=older_than, limit=PAGE + 1)
    shown = found[:PAGE]
    query = request.GET.copy()
    query.pop("before", None)
    newest = query.urlencode()
    if len(found) > PAGE:
        query["before"] = str(shown[-1].id)
    context = {
        "rows": [(row, EntryKind(row.kind).label, TONES[row.kind]) for row in shown],
        "agents": owners("agent", [row.agent for row in shown]),
        "total": ledger_total(wanted),
        "columns": columns,
        "fields": FILTERED,
        "kinds": EntryKind.choices,
        "cost_kinds": CostKind.choices,
        "period": period,
        "narrowed": bool(columns) or period.key != "all",
        "older": query.urlencode() if len(found) > PAGE else "",
        "newest": newest if older_than else "",
        "export": newest,
        "problem": problem,
    }
    return render(request, "governance/ledger.html", context, status=problem.status if problem else 200)


@page
def export(request: PageRequest) -> HttpResponse:
    """The same lines as CSV, all of them."""
    lists.refuse_outsider(request.actor)
    wanted, _, _, problem = _wanted(request)
    if problem is not None:
        raise problem
    return csv_download("ledger.csv", COLUMNS, _exported(request.actor, wanted))  # type: ignore[return-value]


def _exported(actor: Actor, wanted: LedgerFilter) -> Iterator[list[Any]]:
    """Rows, newest first, some hundred at a time; each piece enters the tenant's scope itself, as the view has ended."""
    before = None
    while True:
        with tenant_scope(actor.tenant):
            piece = ledger(wanted, before=before, limit=PIECE)
        release_connection()
        yield from map(_row, piece)
        if len(piece) < PIECE:
            return
        before = piece[-1].id


def _row(entry: EntryView) -> list[Any]:
    values = {"at": entry.at.isoformat(), "spent_usd": entry.spent_delta, "reserved_usd": entry.reserved_delta}
    return [values[name] if name in values else getattr(entry, name) for name in COLUMNS]


@page
def compared(request: PageRequest) -> HttpResponse:
    """What providers counted themselves, beside the ledger; `?show=` is a comparison whose differences are listed."""
    lists.refuse_outsider(request.actor)
    rows = reconciliations()
    wanted = request.GET.get("show", "")
    chosen = next((row for row in rows if str(row.id) == wanted), None)
    if wanted and chosen is None:
        raise NotFound("There is no such comparison.")
    context = {
        "rows": rows,
        "chosen": chosen,
        "differences": differences(chosen.id) if chosen else [],
        "may": request.actor.has_role(*MAY_LIMIT),
    }
    return render(request, "governance/reconciliations.html", context)
