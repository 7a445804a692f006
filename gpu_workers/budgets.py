"""Runs that wait for a budget: people are asked once for each limit, and what they decide, or time, wakes the runs."""

import logging
from datetime import datetime
from typing import Any

from django.db import connection

from governance.actions.approvals import request_approval
from governance.actions.outcomes import void_approvals
from governance.actions.overrides import KIND, Room
from governance.selectors import latest_approval
from governance.views import ApprovalView
from gpu_workers.actions.budgets import refuse_budget
from gpu_workers.actions.retries import wake_run
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.errors import Conflict
from guildhall.kernel.tenancy import current_tenant

logger = logging.getLogger(__name__)
REFUSED = ("rejected", "changes_requested", "expired")


def look_at_waiting() -> int:
    """See to every run of the current tenant that waits for a budget; how many go on. Safe to repeat at any time."""
    rows = Run.objects.select_related("agent").filter(state=RunState.WAITING, outcome__has_key="budget")
    return sum(look_at(run) for run in rows.order_by("number")[:200])


def look_at(run: Run) -> bool:
    """Ask people about the limit that a waiting run met, or let it go on or end as they decided; whether it goes on."""
    asked = run.outcome.get("budget") or {}
    room = Room.after(asked)
    if room is None:
        return False
    last = latest_approval(room.ref, kind=KIND)
    if _turned(asked):
        if last is not None and last.state == "pending":
            void_approvals(actor=_cashier(), subject=room.ref, reason="Its window is over.")
        return _wake(run, f"A new {room.window} has begun.")
    if last is None or not _about(last, room):
        _ask(run, room)
    elif last.state == "executed":
        return _wake(run, f"Approval #{last.number} made room.")
    elif last.state in REFUSED and asked.get("until") is None:
        _refuse(run, last)
    elif last.state == "void":
        _ask(run, room)
    return False


def wake_for_limit(kind: str, scope_id: str) -> int:
    """A limit was changed: every run that met it tries again, and the question about it is taken back; how many."""
    rows = Run.objects.select_related("agent").filter(state=RunState.WAITING, outcome__budget__scope_kind=kind)
    count = 0
    for run in rows.order_by("number")[:200]:
        room = Room.after(run.outcome["budget"])
        if room is None or scope_id not in ("", room.scope_id):
            continue
        void_approvals(actor=_cashier(), subject=room.ref, reason="The limit has changed since this was asked.")
        count += _wake(run, "The limit has changed.")
    return count


def take_back(run: Run) -> None:
    """A run that waited has ended: nobody is asked any more, unless another run waits for the same limit."""
    room = Room.after(run.outcome.get("budget") or {})
    if room is None:
        return
    others = Run.objects.filter(state=RunState.WAITING, outcome__has_key="budget").values_list("outcome", flat=True)
    if not any((other := Room.after(outcome["budget"])) and other.ref == room.ref for outcome in others):
        void_approvals(actor=_cashier(), subject=room.ref, reason=f"Run {run.number} has ended.")


def _about(last: ApprovalView, room: Room) -> bool:
    """Whether what was asked last is the answer to this: the same window and, once executed, more than the run met."""
    bound = Room.bound(last.binding)
    same = bound.window_start == room.window_start
    return same and (last.state in ("pending", "approved") or bound.limit == room.limit)


def _turned(asked: dict[str, Any]) -> bool:
    """Whether the window is over by the database's clock."""
    if not asked.get("until"):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s <= now()", [datetime.fromisoformat(asked["until"])])
        (over,) = cursor.fetchone() or (False,)
    return bool(over)


def _ask(run: Run, room: Room) -> None:
    what = f"the {room.window} limit of {room.scope_kind} {room.scope_id}".rstrip()
    bound, met = room.binding(), run.outcome["budget"]
    request_approval(
        actor=_cashier(),
        kind=KIND,
        subject=room.ref,
        title=f"{bound['amount_usd']} USD more in {what}"[:200],
        summary=f"Run {run.number} (“{run.title}”) waits: its next call may need {met['amount']} USD; {met['left']} USD is"
        f" left. Approved, the limit is {bound['ceiling_usd']} USD in this window.",
        binding=bound,
        risk="medium",
        requester=run.agent.ref,
    )


def _wake(run: Run, reason: str) -> bool:
    try:
        wake_run(actor=_cashier(), run=run, reason=reason)
    except Conflict as known:
        logger.info("run %s goes on already: %s", run.number, known.detail)
        return False
    return True


def _refuse(run: Run, last: ApprovalView) -> None:
    said = next((vote.feedback for vote in last.votes if vote.feedback), "")
    why = f"Approval #{last.number} of a larger budget is {last.state.replace('_', ' ')}. {said}".strip()
    try:
        refuse_budget(actor=_cashier(), run=run, reason=why)
    except Conflict as known:
        logger.info("run %s waits no more: %s", run.number, known.detail)


def _cashier() -> Actor:
    return system_actor("cashier", current_tenant())
