"""Pages of approvals, and of the switch that stops everything."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from governance.actions.approvals import decide_approval
from governance.actions.holds import lift_hold, place_hold
from governance.actions.outcomes_held import retry_approval, take_back
from governance.halting import still_there
from governance.hold_targets import ACCEPTED, hold_target, may_pause
from governance.models import Hold
from governance.models.approvals import ApprovalKind
from governance.policies.answers import QUESTION
from governance.policies.decisions import refuse_decider
from governance.selectors import approval, approvals_visible_to, is_held, pending_for
from governance.selectors.lists import lifted_holds
from governance.selectors.release import Controls, release_controls
from governance.views import ApprovalView
from governance.web.shown import shown
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied, GuildhallError, Invalid, NotFound
from guildhall.portal.registry import Party, panels_for, parties
from guildhall.portal.views import PageRequest, form_page, page

FILTERS = {"mine": "For you", "waiting": "Waiting", "unexecuted": "Not executed", "decided": "Decided"}
SAID = {
    "approve": "Approved. What was asked happens now, exactly as you saw it.",
    "changes": "Changes requested. Your feedback goes to whoever does the work.",
    "answer": "Answered. The agent goes on with exactly these words.",
    "reject": "Rejected. Your feedback goes to whoever asked.",
}
PAST = 20
"""Lifted kill switches that the page shows."""
DONE = {
    "retry": (retry_approval, "It is tried again now, exactly as it was approved."),
    "take_back": (take_back, "Taken back. Nothing follows from it; work that still waits is asked about anew."),
}
NAMES = {"commit_sha": "commit", "login": "login’s mark"}
"""Bound facts that are called otherwise than in the approval."""
ROLE_WORDS = {"product_owner": "product owner", "qa": "QA member", "devops": "DevOps member"}


@page
def inbox(request: PageRequest) -> HttpResponse:
    """The list alone; on wide screens with the first one beside it."""
    context = _list(request)
    first = context["approvals"][0] if context["approvals"] else None
    detail = _detail(request.actor, first.view.number) if first else {}
    return render(request, "governance/approvals.html", {**context, **detail, "view": "list"})


@form_page
def detail(request: PageRequest, number: int) -> HttpResponse:
    """One approval: what is asked, the evidence, what it is bound to, and the form for those who may decide."""
    if request.method == "POST":
        return _follow_up(request, number) if request.POST.get("act") in DONE else _decide(request, number)
    return _show(request, number)


def _show(request: PageRequest, number: int, *, status: int = 200, **more: Any) -> HttpResponse:
    context = {**_list(request), **_detail(request.actor, number), **more, "view": "detail"}
    return render(request, "governance/approvals.html", context, status=status)


def _decide(request: PageRequest, number: int) -> HttpResponse:
    decision = request.POST.get("decision", "")
    feedback = request.POST.get("feedback", "")
    view = approval(request.actor, number)
    try:
        decide_approval(
            actor=request.actor,
            approval=number,
            decision=decision,
            binding_hash=request.POST.get("binding_hash", ""),
            feedback=feedback,
        )
    except NotFound:
        raise
    except GuildhallError as error:
        return _show(request, number, status=error.status, problem=error, feedback=feedback)
    messages.success(request, SAID[_said_of(view, decision)])
    return redirect("approval", number=number)


def _said_of(view: ApprovalView, decision: str) -> str:
    return "answer" if decision == "approve" and view.binding.get(QUESTION) else decision


def _follow_up(request: PageRequest, number: int) -> HttpResponse:
    """Try again, or take back, what is approved and not executed."""
    approval(request.actor, number)
    act, said = DONE[request.POST["act"]]
    reason = request.POST.get("reason", "")
    try:
        act(actor=request.actor, approval=number, reason=reason)
    except NotFound:
        raise
    except GuildhallError as error:
        return _show(request, number, status=error.status, problem=error, reason=reason)
    messages.success(request, said)
    return redirect("approval", number=number)


@dataclass(frozen=True, slots=True)
class Filter:
    """One way to look at the list."""

    key: str
    label: str
    number: int | None
    current: bool


def _list(request: PageRequest) -> dict[str, Any]:
    actor = request.actor
    mine = pending_for(actor)
    waiting = approvals_visible_to(actor, state="pending")
    undone = approvals_visible_to(actor, state="approved")
    wanted = request.GET.get("show", "")
    wanted = wanted if wanted in FILTERS else ("mine" if mine or not waiting else "waiting")
    listed = {"mine": mine, "waiting": waiting, "unexecuted": undone}
    views = listed[wanted] if wanted in listed else [v for v in approvals_visible_to(actor) if v.state != "pending"]
    kinds = sorted({view.kind for view in views})
    kind = request.GET.get("kind", "")
    kind = kind if kind in ApprovalKind.values else ""
    counts = {"mine": len(mine), "waiting": len(waiting), "unexecuted": len(undone), "decided": None}
    filters = [
        Filter(key, label, counts[key], key == wanted)
        for key, label in FILTERS.items()
        if key != "unexecuted" or undone or wanted == key
    ]
    return {
        "approvals": shown(view for view in views if kind in ("", view.kind)),
        "filters": filters,
        "kinds": [(value, ApprovalKind(value).label, value == kind) for value in kinds]
        if len(kinds) > 1 or kind
        else [],
        "show": wanted,
        "kept": request.GET.urlencode(),
        "waiting_number": len(mine),
        "alarms": sum(view.alarmed_at is not None for view in undone),
    }


def _detail(actor: Actor, number: int) -> dict[str, Any]:
    view = approval(actor, number)
    (item,) = shown([view])
    voters = parties(vote.voter for vote in view.votes)
    return {
        "item": item,
        "a": view,
        "votes": [(vote, voters[vote.voter]) for vote in view.votes],
        "yes": sum(vote.decision == "approve" for vote in view.votes),
        "why_not": _why_not(actor, view),
        "may_retry": view.state == "approved" and actor.has_role("admin", "product_owner", "devops"),
        "may_take_back": view.state == "approved" and actor.has_role("admin", "product_owner"),
        "controls": _controls(view),
        "roles": _roles(view),
        "panels": panels_for(f"approval.{view.kind}", actor, view),
        "binding": [
            _bound(name, value) for name, value in sorted(view.binding.items()) if name not in ("call", QUESTION)
        ],
        "about": f"approval:{number}",
    }


def _controls(view: ApprovalView) -> Controls | None:
    """What release controls say now of where a merge that is not over yet would land."""
    environment = str(view.binding.get("environment", ""))
    wanted = view.kind in ("merge", "deployment") and view.state in ("pending", "approved") and environment
    return release_controls(environment) if wanted else None


def _roles(view: ApprovalView) -> str:
    words = [ROLE_WORDS.get(role, role.replace("_", " ")) for role in view.eligible_roles]
    return " or ".join(words)


def _why_not(actor: Actor, view: ApprovalView) -> str:
    """Why the actor cannot decide it now, "" when they can."""
    if view.state != "pending":
        return "It is decided."
    try:
        refuse_decider(actor, view)
    except Denied as refusal:
        return refusal.detail if actor.has_role(*view.eligible_roles) else "Your roles do not decide this."
    return "You have answered this; others have not yet." if any(v.voter == actor.ref for v in view.votes) else ""


@form_page
def pause(request: PageRequest) -> HttpResponse:
    """Stop all agents, or what `?on=agent:mason` names, or let them go on: says what will happen, and asks."""
    actor = request.actor
    reason = request.POST.get("reason", "")
    kind, target = _aim(request)
    held = is_held(**{kind: target}) if target else is_held()
    what = f"{kind} {target.removeprefix('agent:')}" if target else ""
    context = {
        "what": what,
        "wider": bool(target) and held is not None and held.kind != kind,
        "held": held,
        "letting_go": len(still_there(held)) if held else 0,
        "may": may_pause(actor),
        "reason": reason,
        "past": _past(actor),
    }
    if request.method == "POST":
        try:
            if request.POST.get("act") == "resume":
                lift_hold(actor=actor, kind=kind, target=target)
                messages.success(request, f"{what.capitalize() or 'Agents'} may go on.")
            else:
                place_hold(actor=actor, kind=kind, target=target, reason=reason)
                said = f"{what.capitalize()} is paused." if target else "All agents are paused."
                messages.success(request, said)
        except GuildhallError as error:
            return render(request, "governance/pause.html", {**context, "problem": error}, status=error.status)
        return redirect(request.get_full_path())
    return render(request, "governance/pause.html", context)


def _past(actor: Actor) -> list[tuple[Hold, str, Party, Party]]:
    """The last kill switches to be lifted, of whatever was held: what, who pulled them and who let it go on."""
    rows = [] if actor.has_role("client") else list(lifted_holds(actor)[:PAST])
    known = parties([who for row in rows for who in (row.held_by, row.lifted_by)])
    return [(row, _held_thing(row), known[row.held_by], known[row.lifted_by]) for row in rows]


def _held_thing(row: Hold) -> str:
    return f"{row.kind} {row.target.removeprefix('agent:')}" if row.target else "everything"


def _aim(request: PageRequest) -> tuple[str, str]:
    """Kind and target of the kill switch that the address names; of everything where it names none. Raises `NotFound`."""
    kind, _, target = request.GET.get("on", "").partition(":")
    if not kind or not may_pause(request.actor):
        return "tenant", ""
    if kind not in ACCEPTED or not target:
        raise NotFound("There is nothing like that to pause.")
    try:
        return kind, hold_target(actor=request.actor, kind=kind, target=target)
    except Invalid as unknown:
        raise NotFound(f"There is no {kind} {target}.") from unknown


def _bound(name: str, value: object) -> tuple[str, str]:
    """A bound fact in words: lists are named one after the other, amounts of money by their sign."""
    said = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if name.endswith("_usd"):
        name, said = name.removesuffix("_usd"), f"${said}"
    name = NAMES.get(name, name.replace("_sha", "_commit").replace("_", " "))
    return name.capitalize(), said
