"""Pages of limits: what may be spent, how far it is, setting it and taking it away."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from governance.actions.limits import remove_limit, set_limit
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import budgets, limits, lists
from governance.views import BudgetView, LimitView
from governance.web.cost_pages import MAY_LIMIT
from governance.web.cost_serializers import BudgetBody, BudgetQuery
from governance.web.cost_shown import owners
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.portal.views import PageRequest, form_page

KINDS = {
    ScopeKind.TENANT: "Organisation", ScopeKind.PROJECT: "Project", ScopeKind.STRATEGY: "Strategy",
    ScopeKind.STORY: "Story", ScopeKind.TASK: "Task", ScopeKind.RUN: "Run", ScopeKind.API_KEY: "API key",
    ScopeKind.AGENT: "Agent",
}  # fmt: skip
WINDOWS = {Window.HOUR: "an hour", Window.DAY: "a day", Window.TOTAL: "in total"}
NAMED = ("project", "strategy", "story", "task", "run", "agent")
FULLEST = 12


@dataclass(frozen=True, slots=True)
class ShownLimit:
    """A limit in words, with the meter of whoever used most of it."""

    limit: LimitView
    title: str
    window: str
    url: str

    @property
    def used(self) -> BudgetView | None:
        return self.limit.fullest


@form_page
def limits_page(request: PageRequest) -> HttpResponse:
    """Every limit with how far it is used now, and the form that sets one."""
    lists.refuse_outsider(request.actor)
    return _set(request) if request.method == "POST" else _show(request)


def _set(request: PageRequest) -> HttpResponse:
    try:
        given = _checked(BudgetBody, request)
        set_limit(
            actor=request.actor,
            kind=ScopeKind(given["scope_kind"]),
            scope_id=given["scope_id"],
            window=Window(given["window"]),
            amount=given["amount"],
        )
    except GuildhallError as problem:
        return _show(request, status=problem.status, problem=problem, sent=request.POST.dict())
    words = WINDOWS[Window(given["window"])]
    messages.success(request, f"The limit is ${given['amount'].normalize():,f} {words} now. It counts at once.")
    return redirect("cost-limits")


def _show(request: PageRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    listed, used = limits(), budgets()
    sent = {name: request.GET.get(name, "") for name in ("scope_kind", "scope_id", "window", "amount")}
    context = {
        "limits": shown_limits(listed),
        "fullest": sorted(used, key=lambda one: (-one.percent, one.scope_kind, one.scope_id))[:FULLEST],
        "kinds": [(str(kind), label) for kind, label in KINDS.items()],
        "windows": [(str(window), label) for window, label in WINDOWS.items()],
        "may": request.actor.has_role(*MAY_LIMIT),
        "sent": sent,
        **more,
    }
    return render(request, "governance/limits.html", context, status=status)


def shown_limits(listed: list[LimitView]) -> list[ShownLimit]:
    """These limits with the names of what they are for; one look-up for each kind that has names."""
    by_kind: dict[str, list[str]] = {}
    for limit in listed:
        by_kind.setdefault(limit.scope_kind, []).append(_owner(limit))
    known = {kind: owners(kind, ids) for kind, ids in by_kind.items() if kind in NAMED}
    return [
        ShownLimit(
            limit,
            _title(limit, known[limit.scope_kind][_owner(limit)].label if limit.scope_kind in known else ""),
            WINDOWS[Window(limit.window)],
            known[limit.scope_kind][_owner(limit)].url if limit.scope_kind in known and limit.scope_id else "",
        )
        for limit in listed
    ]


def _owner(limit: LimitView) -> str:
    """Whose limit it is, as the ledger calls it; "" for a default."""
    return Scope(ScopeKind(limit.scope_kind), limit.scope_id).owner if limit.scope_id else ""


def _title(limit: LimitView, name: str) -> str:
    kind = ScopeKind(limit.scope_kind)
    if kind == ScopeKind.TENANT:
        return "The organisation"
    if not limit.scope_id:
        return f"Each {KINDS[kind] if kind == ScopeKind.API_KEY else KINDS[kind].lower()}"
    return name if kind in (ScopeKind.RUN,) else f"{KINDS[kind]} {name or limit.scope_id}"


@form_page
def removal(request: PageRequest) -> HttpResponse:
    """Says what follows when a limit is taken away, and does it when that is confirmed."""
    lists.refuse_outsider(request.actor)
    chosen = _chosen(request)
    if request.method == "POST":
        try:
            remove_limit(
                actor=request.actor,
                kind=ScopeKind(chosen.limit.scope_kind),
                scope_id=chosen.limit.scope_id,
                window=Window(chosen.limit.window),
            )
        except NotFound:
            raise
        except GuildhallError as problem:
            return _confirm(request, chosen, status=problem.status, problem=problem)
        messages.success(request, "The limit is gone. What it limited goes on under the others.")
        return redirect("cost-limits")
    return _confirm(request, chosen)


def _confirm(request: PageRequest, chosen: ShownLimit, *, status: int = 200, **more: Any) -> HttpResponse:
    may = request.actor.has_role(*MAY_LIMIT)
    return render(request, "governance/limit_removal.html", {"chosen": chosen, "may": may, **more}, status=status)


def _chosen(request: PageRequest) -> ShownLimit:
    """The limit that the address or the form names. Raises `Invalid` and `NotFound`."""
    given = _checked(BudgetQuery, request)
    wanted = (given["scope_kind"], given["scope_id"], given["window"])
    found = [one for one in limits() if (one.scope_kind, one.scope_id, one.window) == wanted]
    if not found:
        raise NotFound("There is no such limit.")
    return shown_limits(found)[0]


def _checked(kind: type[BudgetQuery], request: PageRequest) -> dict[str, Any]:
    """The form as the API would take it. Raises `Invalid` with what is wrong at which field."""
    sent = request.POST if request.method == "POST" else request.GET
    form = kind(data={name: sent[name] for name in map(str, kind().fields) if name in sent})
    if not form.is_valid():
        fields = {name: [str(message) for message in found] for name, found in form.errors.items()}
        raise Invalid("The limit was not accepted.", fields=fields)
    data: dict[str, Any] = form.validated_data
    return data
