"""Pages of release controls: what is closed and why, closing it by hand, and opening it again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from governance.actions.release import hold_environment, release_environment
from governance.models import ReleaseHold, ReleaseHoldKind
from governance.policies.release import Release
from governance.selectors.lists import refuse_outsider
from governance.selectors.policy import active_policy
from governance.selectors.release import (
    Controls,
    active_release_holds,
    controls_of,
    ended_release_holds,
    find_release_hold,
    waiting_to_land,
)
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.portal.registry import Party, parties
from guildhall.portal.views import PageRequest, form_page

MAY_HOLD = ("admin", "product_owner", "devops")
SHOWN = 30
CHECKS = {"ci": "CI", "review": "a review", "tests": "tests"}
BEGUN = {"freeze": "The freeze is on.", "lock": "It is locked."}
ENDED = {"freeze": "The freeze is over.", "lock": "The lock is open."}
KINDS = [
    (ReleaseHoldKind.FREEZE, "Freeze", "nothing lands until a time"),
    (ReleaseHoldKind.LOCK, "Lock", "nothing lands until somebody opens it"),
]


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the policy's `release` section in words."""

    kind: str
    environments: str
    words: str


@dataclass(frozen=True, slots=True)
class Place:
    """An environment as it stands now; `waiting` are approved changes that have not landed."""

    controls: Controls
    checks: str
    waiting: int


@form_page
def releases(request: PageRequest) -> HttpResponse:
    """What is closed now, by the policy and by hand, and the form that closes more."""
    refuse_outsider(request.actor)
    return _hold(request) if request.method == "POST" else _show(request)


def _hold(request: PageRequest) -> HttpResponse:
    sent = {name: request.POST.get(name, "") for name in ("kind", "environment", "reason", "until")}
    try:
        held = hold_environment(
            actor=request.actor,
            kind=sent["kind"],
            environment=sent["environment"],
            reason=sent["reason"],
            until=_moment(sent["until"]),
        )
    except GuildhallError as problem:
        return _show(request, status=problem.status, problem=problem, sent=sent)
    messages.success(request, f"{BEGUN[held.kind]} Approved changes for {held.environment} wait.")
    return redirect("releases")


def _moment(text: str) -> datetime | None:
    """A time of the form, which is in UTC; none when it is left empty. Raises `Invalid`."""
    if not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        problem = "Give a day and a time, such as 2026-12-24T16:00."
        raise Invalid("This cannot be held.", fields={"until": [problem]}) from None


def _show(request: PageRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    waiting = waiting_to_land()
    looked_up = " ".join(request.GET.get("environment", "").split())[:160]
    names = sorted({*waiting, looked_up} - {""})
    places = [
        Place(one, _counted([CHECKS[check] for check in one.required]), waiting.get(one.environment, 0))
        for one in controls_of(names)
    ]
    held, ended = list(active_release_holds()), list(ended_release_holds()[:SHOWN])
    known = parties([row.held_by for row in (*held, *ended)] + [row.lifted_by for row in ended if row.lifted_by])
    policy = active_policy()
    context = {
        "tab": "releases",
        "held": [(row, known[row.held_by]) for row in held],
        "ended": [_ended(row, known) for row in ended],
        "places": places,
        "looked_up": looked_up,
        "version": policy.version,
        "rules": _rules(policy.document.release),
        "kinds": KINDS,
        "may": request.actor.has_role(*MAY_HOLD),
        "sent": {"kind": "freeze"},
        **more,
    }
    return render(request, "governance/releases.html", context, status=status)


def _ended(row: ReleaseHold, known: dict[str, Party]) -> tuple[ReleaseHold, str, datetime | None]:
    """A lock or freeze that is over, who opened it ("" for the clock), and when."""
    return row, known[row.lifted_by].name if row.lifted_by else "", row.lifted_at or row.until


def _counted(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _rules(release: Release) -> list[Rule]:
    """The policy's own windows, locks, checks and approvers, in the order in which they close most."""
    found = [Rule("lock", _names(lock.environments), lock.reason) for lock in release.locks]
    for once in release.freezes:
        when = f"{once.starts:%-d %b %Y, %H:%M} to {once.ends:%-d %b %Y, %H:%M} ({once.time_zone})"
        found.append(Rule("freeze", _names(once.environments), f"{when}: {once.reason}"))
    for weekly in release.weekly_freezes:
        when = f"every week, {weekly.starts} to {weekly.ends} ({weekly.time_zone})"
        found.append(Rule("freeze", _names(weekly.environments), f"{when}: {weekly.reason}"))
    for rule in release.checks:
        words = f"needs {_counted([CHECKS[name] for name in rule.require])}"
        found.append(Rule("checks", _names(rule.environments), words))
    for count in release.approvers:
        people = "person approves" if count.count == 1 else "people approve"
        found.append(Rule("approvers", _names(count.environments), f"at least {count.count} {people}"))
    return found


def _names(environments: list[str]) -> str:
    return ", ".join("all" if name == "*" else name for name in environments)


@form_page
def lift(request: PageRequest, pk: int) -> HttpResponse:
    """Says what follows when a lock or a freeze ends, asks why, and ends it."""
    row = find_release_hold(request.actor, pk)
    if request.method != "POST":
        return _confirm(request, row)
    reason = request.POST.get("reason", "")
    try:
        release_environment(actor=request.actor, hold=row.pk, reason=reason)
    except NotFound:
        raise
    except GuildhallError as problem:
        return _confirm(request, row, status=problem.status, problem=problem, reason=reason)
    messages.success(request, f"{ENDED[row.kind]} What waits for it lands within a minute.")
    return redirect("releases")


def _confirm(request: PageRequest, row: ReleaseHold, *, status: int = 200, **more: Any) -> HttpResponse:
    waiting = waiting_to_land()
    reached = [one for one in controls_of(sorted(waiting)) if row.covers(one.environment)]
    context = {
        "row": row,
        "who": parties([row.held_by])[row.held_by],
        "over": row.lifted_at is not None,
        "waiting": sum(waiting[one.environment] for one in reached),
        "others": sorted({one.environment for one in reached if len(one.blocks) > 1}),
        "may": request.actor.has_role(*MAY_HOLD),
        **more,
    }
    return render(request, "governance/release_lift.html", context, status=status)
