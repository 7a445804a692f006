"""Raising one limit once, because people approved exactly that: this scope, this window, up to this amount."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from governance.actions import statements
from governance.actions.approvals import find
from governance.actions.counters import count_anew, execute
from governance.actions.limits import starts_of
from governance.actions.outcomes import keep_outcome
from governance.budget_events import BudgetOverridden
from governance.models import Approval, BudgetCounter
from governance.scopes import ScopeKind, Window
from governance.selectors.approvals import approved_for
from governance.views import Counted
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor

KIND = "budget_override"
CENT = Decimal("0.01")
PLACE = ("scope_kind", "scope_id", "window", "window_start")
APPLYING = """
SELECT amount FROM governance_budgetlimit
WHERE scope_kind = %(kind)s AND "window" = %(window)s AND scope_id IN (%(id)s, '') ORDER BY scope_id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Room:
    """What is asked for: `limit` of one scope in the window that began at `window_start` may go up to `ceiling`."""

    scope_kind: str
    scope_id: str
    window: str
    window_start: str
    limit: Decimal
    ceiling: Decimal

    @property
    def ref(self) -> str:
        return f"budget:{self.scope_kind}:{self.scope_id or '*'}:{self.window}"

    def binding(self) -> dict[str, Any]:
        """What an approval of it is bound to; amounts as text."""
        return {
            "scope_kind": self.scope_kind,
            "scope_id": self.scope_id,
            "window": self.window,
            "window_start": self.window_start,
            "limit_usd": f"{self.limit.normalize():f}",
            "amount_usd": f"{(self.ceiling - self.limit).normalize():f}",
            "ceiling_usd": f"{self.ceiling.normalize():f}",
        }

    @classmethod
    def after(cls, refusal: Mapping[str, Any], counted: Counted | None = None) -> "Room | None":
        """The room that a refused reservation asks for: half of the limit more, or what it lacks where that is more.

        `refusal` is `LimitExceeded.extra`; None where there was no limit that could be raised. What is `counted` now decides
        where it is given: others have spent and reserved since, the limit may be another, and a refusal tells nothing of how
        far a limit is passed already.
        """
        if not refusal.get("window_start"):
            return None
        limit, left, amount = (Decimal(str(refusal[name])) for name in ("of", "left", "amount"))
        if counted is not None:
            limit, left = counted.limit, counted.left
        more = max(limit / 2, amount - left)
        ceiling = (limit + more).quantize(CENT, ROUND_CEILING)
        kind, scope_id, window, start = (str(refusal[name]) for name in PLACE)
        return cls(kind, scope_id, window, start, limit, ceiling)

    @classmethod
    def bound(cls, binding: Mapping[str, Any]) -> "Room":
        """What an approval's binding says. Raises KeyError for one of another kind."""
        kind, scope_id, window, start = (str(binding[name]) for name in PLACE)
        return cls(kind, scope_id, window, start, Decimal(binding["limit_usd"]), Decimal(binding["ceiling_usd"]))


def override_budget(*, actor: Actor, approval: int, binding: Mapping[str, Any]) -> Decimal | None:
    """Raise the limit that an approval covers, in its window; the limit now, or None when that window is over.

    Its receipt is written in the same transaction, so this happens once, whoever dies. Raises `Conflict` when the approval
    is not given, was used, or is not of this.
    """
    approved_for(approval, dict(binding))
    return _override(actor=actor, approval=find(approval), room=Room.bound(binding))


@governed("budget.override", lock="approval")
def _override(*, actor: Actor, approval: Approval, room: Room) -> Decimal | None:
    kind, window = ScopeKind(room.scope_kind), Window(room.window)
    starts = starts_of(window)
    now = None
    if starts == datetime.fromisoformat(room.window_start):
        rows = execute(APPLYING, {"kind": str(kind), "id": room.scope_id, "window": str(window)})
        execute(statements.KEEP_LIMITS, {})
        place = [kind, room.scope_id, window, starts]
        made = execute(statements.MAKE_COUNTER, [*place, rows[0][0] if rows else room.limit])
        count_anew({kind: [pk for (pk,) in made]})
        of = dict(zip(PLACE, place, strict=True))
        counter = BudgetCounter.objects.select_for_update().get(**of)
        counter.limit = now = max(counter.limit, room.ceiling)
        counter.alerted = 0
        counter.save(update_fields=["limit", "alerted"])
    record(
        BudgetOverridden(
            subject=room.ref,
            approval=approval.pk,
            before=str(room.limit),
            ceiling=str(room.ceiling),
            window=str(window),
            window_start=room.window_start,
            applied=now is not None,
        ),
        actor=actor,
        before={"limit": str(room.limit)},
        after={"limit": str(now)} if now is not None else None,
        reason=f"approval #{approval.pk}",
    )
    keep_outcome(actor, approval, {"limit_usd": f"{now.normalize():f}"} if now is not None else {"window_over": True})
    return now
