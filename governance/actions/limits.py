"""Setting what may be spent."""

from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models.functions import Now

from governance.actions import statements
from governance.events import BudgetLimitSet
from governance.models import BudgetCounter, BudgetLimit
from governance.scopes import ScopeKind, Window
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid

STARTS = """
SELECT CASE %(window)s WHEN 'total' THEN timestamptz '1970-01-01 00:00:00+00'
    ELSE date_trunc(%(window)s, now(), 'UTC') END
"""


@governed("budget.set_limit", lock=None)
def set_limit(*, actor: Actor, kind: ScopeKind, scope_id: str, window: Window, amount: Decimal) -> None:
    """Let `scope_id` (if empty: each of `kind` without a limit of its own) spend `amount` US dollars per `window`.

    Counts at once, in the present window too: what is spent in it already counts, what is reserved at this moment
    by scopes that had no limit does not. Raises `Invalid`.
    """
    if not amount.is_finite() or amount < 0:
        raise Invalid("A limit is at least 0.", fields={"amount": ["Give an amount of at least 0."]})
    if kind == ScopeKind.TENANT and scope_id:
        raise Invalid("The organisation's limit has no id.", fields={"scope_id": ["Leave this empty."]})
    before = BudgetLimit.objects.filter(scope_kind=kind, scope_id=scope_id, window=window).first()
    limit, _ = BudgetLimit.objects.update_or_create(
        scope_kind=kind, scope_id=scope_id, window=window, defaults={"amount": amount, "updated_at": Now()}
    )
    record(
        BudgetLimitSet(subject=limit.ref, amount=str(amount), window=window),
        actor=actor,
        before={"amount": str(before.amount)} if before else None,
        after={"amount": str(amount)},
    )
    with connection.cursor() as cursor:
        cursor.execute(STARTS, {"window": str(window)})
        row = cursor.fetchone()
    assert row is not None, "a SELECT without FROM gives one row"
    _apply(limit, row[0], amount)


def _apply(limit: BudgetLimit, starts: datetime, amount: Decimal) -> None:
    counters = BudgetCounter.objects.filter(scope_kind=limit.scope_kind, window=limit.window, window_start=starts)
    if limit.scope_id or limit.scope_kind == ScopeKind.TENANT:
        counters = counters.filter(scope_id=limit.scope_id)
        if not counters.exists():
            with connection.cursor() as cursor:
                cursor.execute(
                    statements.SPENT_SINCE, {"kind": limit.scope_kind, "id": limit.scope_id, "starts": starts}
                )
                (spent,) = cursor.fetchone() or (Decimal(0),)
            BudgetCounter.objects.create(
                scope_kind=limit.scope_kind,
                scope_id=limit.scope_id,
                window=limit.window,
                window_start=starts,
                limit=amount,
                spent=spent,
                overrun=max(Decimal(0), spent - amount),
            )
            return
    else:
        own = BudgetLimit.objects.filter(scope_kind=limit.scope_kind, window=limit.window).exclude(scope_id="")
        counters = counters.exclude(scope_id__in=own.values("scope_id"))
    for counter in counters.select_for_update().order_by("id"):
        counter.limit = amount
        counter.overrun = max(counter.overrun, counter.spent + counter.reserved - amount)
        counter.alerted = 0
        counter.save(update_fields=["limit", "overrun", "alerted"])
