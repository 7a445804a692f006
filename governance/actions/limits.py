"""Setting what may be spent, and taking limits away."""

from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from governance.actions import statements
from governance.actions.counters import count_anew, execute
from governance.events import BudgetLimitRemoved, BudgetLimitSet
from governance.models import BudgetCounter, BudgetLimit
from governance.scopes import ScopeKind, Window
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid, NotFound

STARTS = """
SELECT CASE %(window)s WHEN 'total' THEN timestamptz '1970-01-01 00:00:00+00'
    ELSE date_trunc(%(window)s, now(), 'UTC') END
"""


@governed("budget.set_limit", lock=None)
def set_limit(*, actor: Actor, kind: ScopeKind, scope_id: str, window: Window, amount: Decimal) -> None:
    """Let `scope_id` (if empty: each of `kind` without a limit of its own) spend `amount` US dollars per `window`.

    Counts at once, in the present window too, with what is spent and reserved in it already. Raises `Invalid`.
    """
    if not amount.is_finite() or amount < 0:
        raise Invalid("A limit is at least 0.", fields={"amount": ["Give an amount of at least 0."]})
    if kind == ScopeKind.TENANT and scope_id:
        raise Invalid("The organisation's limit has no id.", fields={"scope_id": ["Leave this empty."]})
    keep_spenders_out()
    give_limit(actor=actor, kind=kind, scope_id=scope_id, window=window, amount=amount)


def keep_spenders_out() -> None:
    """To the end of the open action no limit is set and nothing reserved elsewhere: what is read of them now stays true."""
    execute(statements.KEEP_SPENDERS_OUT, {})


def give_limit(*, actor: Actor, kind: ScopeKind, scope_id: str, window: Window, amount: Decimal) -> None:
    """Set a limit as a part of another action, which keeps spenders out and has found the amount to be one."""
    before = BudgetLimit.objects.filter(scope_kind=kind, scope_id=scope_id, window=window).first()
    limit, _ = BudgetLimit.objects.update_or_create(
        scope_kind=kind, scope_id=scope_id, window=window, defaults={"amount": amount, "updated_at": Now()}
    )
    record(
        BudgetLimitSet(subject=limit.ref, amount=str(amount), window=window),
        actor=actor,
        before={"amount": str(before.amount)} if before else None,
        after={"amount": str(amount)},
        step="budget.set_limit",
    )
    _apply(limit, starts_of(window), amount)


@governed("budget.remove_limit", lock=None)
def remove_limit(*, actor: Actor, kind: ScopeKind, scope_id: str, window: Window) -> None:
    """Take a limit away: the default of its kind counts again where there is one, at once, in the present window too.

    Where a scope has no limit left in any window of any kind, nothing can be spent. Raises `NotFound`.
    """
    keep_spenders_out()
    limit = BudgetLimit.objects.select_for_update().filter(scope_kind=kind, scope_id=scope_id, window=window).first()
    if limit is None:
        raise NotFound("There is no such limit.")
    record(
        BudgetLimitRemoved(subject=limit.ref, amount=str(limit.amount), window=window),
        actor=actor,
        before={"amount": str(limit.amount)},
    )
    limit.delete()
    default = BudgetLimit.objects.filter(scope_kind=kind, scope_id="", window=window).first()
    if scope_id and default is not None:
        counters = BudgetCounter.objects.filter(
            scope_kind=kind, scope_id=scope_id, window=window, window_start=starts_of(window)
        )
        _change(kind, counters, default.amount)


def starts_of(window: Window) -> datetime:
    """When the present window began, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(STARTS, {"window": str(window)})
        row = cursor.fetchone()
    assert row is not None, "a SELECT without FROM gives one row"
    starts: datetime = row[0]
    return starts


def _apply(limit: BudgetLimit, starts: datetime, amount: Decimal) -> None:
    counters = BudgetCounter.objects.filter(scope_kind=limit.scope_kind, window=limit.window, window_start=starts)
    if limit.scope_id or limit.scope_kind == ScopeKind.TENANT:
        place = [limit.scope_kind, limit.scope_id, limit.window, starts, amount]
        execute(statements.MAKE_COUNTER, place)
        counters = counters.filter(scope_id=limit.scope_id)
    else:
        # Those of its kind that have none yet get theirs with their next reservation, and what they spent is counted then.
        own = BudgetLimit.objects.filter(scope_kind=limit.scope_kind, window=limit.window).exclude(scope_id="")
        counters = counters.exclude(scope_id__in=own.values("scope_id"))
    _change(limit.scope_kind, counters, amount)


def _change(kind: str, counters: QuerySet[BudgetCounter], amount: Decimal) -> None:
    """Give counters another limit; what was spent and reserved while there was none counts too."""
    count_anew({kind: list(counters.values_list("pk", flat=True))}, amount)
