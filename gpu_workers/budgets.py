"""Runs that wait for a budget: people are asked once for each limit, and what they decide, or time, wakes the runs."""

import logging
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Q

from governance.actions.approvals import request_approval
from governance.actions.outcomes import void_approvals
from governance.actions.overrides import KIND, Room
from governance.events import dollars
from governance.selectors import active_policy, counted_in, latest_approval
from governance.views import ApprovalView, Counted
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
    """Let a run that met a limit go on where there is room again, or ask people about it; whether it goes on.

    What is there now decides, not what was told of it: a change whose message was lost, or whose consumer died, wakes the
    run when the scheduler looks.
    """
    asked = run.outcome.get("budget") or {}
    place = Room.after(asked)
    if place is None:
        return False
    counted = counted_in(place.scope_kind, place.scope_id, place.window)
    room = Room.after(asked, counted) or place
    last = latest_approval(room.ref, kind=KIND)
    answer = last if last is not None and _about(last, room) else None
    given = answer is not None and answer.state == "executed"
    reason = _room_again(asked, room, counted)
    if reason:
        _take_back(last, reason)
        return _wake(run, f"Approval #{last.number} made room." if last is not None and given else reason)
    if last is not None and (outdated := _outdated(last, asked, counted)):
        _take_back(last, outdated)
        answer = None
    if answer is None or given or answer.state == "void" or answer.number <= run.outcome.get("asks_again", 0):
        # What was given is used up, or the limit was lowered since.
        _ask(run, room, counted)
    elif answer.state in REFUSED and asked.get("refused") != answer.number:
        _refuse(run, answer)
    return False


def wake_for_limit(kind: str, scope_id: str) -> int:
    """A limit was changed: every run that met it tries again, and the question about it is taken back; how many.

    So does a run that met no limit at all, which is as good as a limit of nothing.
    """
    rows = Run.objects.select_related("agent").filter(state=RunState.WAITING)
    met = rows.filter(Q(outcome__budget__scope_kind=kind) | Q(outcome__budget__limit=""))
    count = 0
    for run in met.order_by("number")[:200]:
        room = Room.after(run.outcome["budget"])
        if room is not None:
            if scope_id not in ("", room.scope_id):
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
    """Whether what was asked last is the answer to this: the same window and, once it is answered, the same limit."""
    bound = Room.bound(last.binding)
    same = bound.window_start == room.window_start
    return same and (last.state in ("pending", "approved") or bound.limit == room.limit)


def _outdated(last: ApprovalView, asked: dict[str, Any], counted: Counted | None) -> str:
    """Why people are not to answer what they are asked: nobody may any more, or no room would come of it; "" otherwise."""
    if last.state != "pending":
        return ""
    if last.binding.get("policy_version") != active_policy().version:
        return "The policy has changed since this was asked."
    used = counted.used if counted is not None else Decimal(0)
    enough = Room.bound(last.binding).ceiling >= used + Decimal(asked["amount"])
    return "" if enough else "More is spent and reserved by now than this would have made room for."


def _take_back(last: ApprovalView | None, reason: str) -> None:
    if last is not None and last.state == "pending":
        void_approvals(actor=_cashier(), subject=last.subject, reason=reason)


def _room_again(asked: dict[str, Any], room: Room, counted: Counted | None) -> str:
    """Why the call that a run waits with fits by now; "" where it does not."""
    if _turned(asked):
        return f"A new {room.window} has begun."
    fits = counted is None or counted.left >= Decimal(asked["amount"])
    return f"There is room again in {_name_of(room)}." if fits else ""


def _turned(asked: dict[str, Any]) -> bool:
    """Whether the window is over by the database's clock."""
    if not asked.get("until"):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s <= now()", [datetime.fromisoformat(asked["until"])])
        (over,) = cursor.fetchone() or (False,)
    return bool(over)


def _name_of(room: Room) -> str:
    return f"the {room.window} limit of {room.scope_kind} {room.scope_id}".rstrip()


def _ask(run: Run, room: Room, counted: Counted | None) -> None:
    what, bound, met = _name_of(room), room.binding(), run.outcome["budget"]
    left = counted.left if counted is not None else Decimal(met["left"])
    now = f"{dollars(str(left))} is left" if left >= 0 else f"{dollars(str(-left))} more than the limit is used already"
    request_approval(
        actor=_cashier(),
        kind=KIND,
        subject=room.ref,
        title=f"{bound['amount_usd']} USD more in {what}"[:200],
        summary=f"Run {run.number} (“{run.title}”) waits: its next step may need {met['amount']} USD; {now}."
        f" Approved, the limit is {bound['ceiling_usd']} USD in this window.",
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
    """Say so where the run waits; it stays there."""
    said = next((vote.feedback for vote in last.votes if vote.feedback), "")
    until = run.outcome["budget"].get("until")
    turn = f", or at {datetime.fromisoformat(until):%Y-%m-%d %H:%M} UTC by itself" if until else ""
    why = f"Approval #{last.number} of more is {last.state.replace('_', ' ')}. {said}".strip()
    how = f"It goes on once an admin raises the limit{turn}. Whoever tries it again has people asked once more."
    try:
        refuse_budget(actor=_cashier(), run=run, approval=last.number, reason=f"{why} {how}")
    except Conflict as known:
        logger.info("run %s waits no more: %s", run.number, known.detail)


def _cashier() -> Actor:
    return system_actor("cashier", current_tenant())
