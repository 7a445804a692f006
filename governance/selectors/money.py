"""What was spent, by whom, and what is left."""

from collections.abc import Collection
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDay, TruncHour

from governance.models import BudgetLimit, LedgerEntry, Reservation
from governance.scopes import ScopeKind
from governance.views import BudgetView, Counted, DaySpend, EntryView, LimitView, ReservationRef, SpendLine
from governance.windows import window_end
from guildhall.kernel.errors import Invalid

DIMENSIONS = frozenset(
    {*(str(kind) for kind in ScopeKind if kind != ScopeKind.TENANT), "owner", "model", "cost_kind", "provider"}
)
"""What the ledger can be broken down by. Every cost has one owner in each, so each adds up to the tenant's total."""

OF_ENTRY = tuple(field.name for field in fields(EntryView) if field.name != "key")

PRESENT = """
SELECT scope_kind, scope_id, "window", window_start, "limit", reserved, spent, greatest("limit" - reserved - spent, 0)
FROM governance_budgetcounter counter
WHERE window_start = CASE "window" WHEN 'total' THEN timestamptz '1970-01-01 00:00:00+00'
    ELSE date_trunc("window", now(), 'UTC') END
  AND EXISTS (SELECT 1 FROM governance_budgetlimit known WHERE (known.scope_kind, known."window")
    = (counter.scope_kind, counter."window") AND known.scope_id IN (counter.scope_id, ''))
  AND (%(kind)s = '' OR scope_kind = %(kind)s) AND (%(id)s = '' OR scope_id = %(id)s)
ORDER BY scope_kind, scope_id, "window"
"""

COUNTED = """
SELECT coalesce(counter."limit", own.amount), coalesce(counter.spent + counter.reserved, 0)
FROM (SELECT amount FROM governance_budgetlimit WHERE scope_kind = %(kind)s AND "window" = %(window)s
        AND scope_id IN (%(id)s, '') ORDER BY scope_id DESC LIMIT 1) own
LEFT JOIN governance_budgetcounter counter
    ON (counter.scope_kind, counter.scope_id, counter."window") = (%(kind)s, %(id)s, %(window)s)
    AND counter.window_start = CASE %(window)s WHEN 'total' THEN timestamptz '1970-01-01 00:00:00+00'
        ELSE date_trunc(%(window)s, now(), 'UTC') END
"""


def reservation_ref(row: Reservation) -> ReservationRef:
    return ReservationRef(
        id=row.pk,
        key=row.key,
        amount=row.amount,
        state=str(row.state),
        owner=row.owner,
        model=row.model,
        price_version=row.price_version,
        reserved_at=row.reserved_at,
        expires_at=row.expires_at,
        settled_at=row.settled_at,
        cost=row.cost,
    )


def budgets(*, kind: ScopeKind | None = None, scope_id: str = "") -> list[BudgetView]:
    """Limits in use in their present windows, of all scopes or of one kind or one scope."""
    with connection.cursor() as cursor:
        cursor.execute(PRESENT, {"kind": str(kind) if kind else "", "id": scope_id})
        return [
            BudgetView(
                scope_kind=row[0],
                scope_id=row[1],
                window=row[2],
                limit=row[4],
                reserved=row[5],
                spent=row[6],
                left=row[7],
                until=window_end(row[2], row[3]),
            )
            for row in cursor.fetchall()
        ]


def counted_in(kind: str, scope_id: str, window: str) -> Counted | None:
    """How one scope's limit stands in its present window; None where no limit holds it, or not any more."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, {"kind": kind, "id": scope_id, "window": window})
        row = cursor.fetchone()
    return Counted(*row) if row else None


def limits() -> list[LimitView]:
    """Every limit that was set, with how far it is used now; the organisation's first, then by kind, id and window."""
    used = budgets()
    rows = list(BudgetLimit.objects.order_by("scope_kind", "scope_id", "window"))
    own = {(row.scope_kind, row.scope_id, row.window) for row in rows}
    first = sorted(rows, key=lambda limit: limit.scope_kind != ScopeKind.TENANT)
    return [_limit_view(limit, used, own) for limit in first]


def _limit_view(limit: BudgetLimit, used: list[BudgetView], own: set[tuple[str, str, str]]) -> LimitView:
    """A default is used by all of its kind that have no limit of their own."""
    default = not limit.scope_id and limit.scope_kind != ScopeKind.TENANT
    mine = [
        view
        for view in used
        if (view.scope_kind, view.window) == (limit.scope_kind, limit.window)
        and (view.scope_id == limit.scope_id or (default and (view.scope_kind, view.scope_id, view.window) not in own))
    ]
    return LimitView(
        scope_kind=str(limit.scope_kind),
        scope_id=limit.scope_id,
        window=str(limit.window),
        amount=limit.amount,
        users=len(mine),
        fullest=max(mine, key=lambda view: view.percent, default=None),
    )


def _between(since: datetime | None, until: datetime | None) -> QuerySet[LedgerEntry]:
    entries = LedgerEntry.objects.all()
    if since is not None:
        entries = entries.filter(counted_at__gte=since)
    if until is not None:
        entries = entries.filter(counted_at__lt=until)
    return entries


def _refuse_unknown(dimension: str) -> None:
    if dimension not in DIMENSIONS:
        known = ", ".join(sorted(DIMENSIONS))
        raise Invalid("The ledger is not kept by this.", fields={"dimension": [f"Choose one of {known}."]})


def total_spent(*, since: datetime | None = None, until: datetime | None = None) -> Decimal:
    """The tenant's spend in US dollars; an entry belongs to the time of its reservation."""
    total: Decimal | None = _between(since, until).aggregate(total=Sum("spent_delta"))["total"]
    return total if total is not None else Decimal(0)


def spend_by(dimension: str, *, since: datetime | None = None, until: datetime | None = None) -> list[SpendLine]:
    """Spend by one of `DIMENSIONS`, dearest first.

    The lines add up to `total_spent` of the same time exactly; what belongs to none has the owner "". Raises `Invalid`.
    """
    _refuse_unknown(dimension)
    lines = (
        _between(since, until)
        .filter(kind__in=["commit", "adjust"])
        .values(dimension)
        .annotate(
            spent=Sum("spent_delta"),
            read=Sum("tokens_in"),
            written=Sum("tokens_out"),
            cached=Sum("tokens_cached"),
            calls=Count("reservation", filter=Q(spent_delta__gte=0), distinct=True),
        )
        .order_by("-spent", dimension)
    )
    return [
        SpendLine(line[dimension], line["spent"], line["read"], line["written"], line["cached"], line["calls"])
        for line in lines
    ]


def entries_of(dimension: str, value: str, *, limit: int = 200) -> list[EntryView]:
    """The newest ledger lines of one owner, such as `entries_of("run", "318")`. Raises `Invalid`."""
    _refuse_unknown(dimension)
    rows = LedgerEntry.objects.filter(**{dimension: value}).select_related("reservation").order_by("-id")[:limit]
    return [entry_view(row) for row in rows]


def entry_view(row: LedgerEntry) -> EntryView:
    return EntryView(key=row.reservation.key, **{name: getattr(row, name) for name in OF_ENTRY})


def paid_call(key: str) -> EntryView | None:
    """The charge of the call that used this key up, or None while the key is free or only reserved."""
    row = (
        LedgerEntry.objects.filter(reservation__key=key, reservation__state="committed", kind="commit")
        .select_related("reservation")
        .first()
    )
    return entry_view(row) if row else None


def spend_by_day(
    dimension: str = "", *, since: datetime | None = None, until: datetime | None = None
) -> list[DaySpend]:
    """Spend by the day (UTC) of its reservation and by one of `DIMENSIONS` (by day alone when empty), oldest day first.

    The lines add up to `total_spent` of the same time exactly; days without any are left out. Raises `Invalid`.
    """
    _refuse_unknown(dimension or "owner")
    parts = ["day", *([dimension] if dimension else [])]
    lines = _between(since, until).annotate(day=TruncDay("counted_at", tzinfo=UTC)).values(*parts)
    summed = lines.annotate(total=Sum("spent_delta")).filter(~Q(total=0)).order_by("day", "-total", *parts[1:])
    return [DaySpend(line["day"].date(), line[dimension] if dimension else "", line["total"]) for line in summed]


def spend_per_hour(since: datetime) -> dict[datetime, Decimal]:
    """Spend in US dollars by the hour (UTC) in which it was reserved, from `since` on; hours without any are left out."""
    hours = _between(since, None).annotate(hour=TruncHour("counted_at", tzinfo=UTC)).values("hour")
    return {line["hour"]: line["total"] for line in hours.annotate(total=Sum("spent_delta")).order_by("hour")}


def spend_of(dimension: str, value: str) -> SpendLine:
    """All spend of one owner, such as `spend_of("story", "SHOP-142")`; zeros where there is none. Raises `Invalid`."""
    _refuse_unknown(dimension)
    found = LedgerEntry.objects.filter(kind__in=["commit", "adjust"], **{dimension: value}).aggregate(
        spent=Sum("spent_delta"),
        read=Sum("tokens_in"),
        written=Sum("tokens_out"),
        cached=Sum("tokens_cached"),
        calls=Count("reservation", filter=Q(spent_delta__gte=0), distinct=True),
    )
    return SpendLine(
        value,
        found["spent"] or Decimal(0),
        found["read"] or 0,
        found["written"] or 0,
        found["cached"] or 0,
        found["calls"] or 0,
    )


def spend_of_each(dimension: str, values: Collection[str]) -> dict[str, Decimal]:
    """Spend in US dollars of these owners, without those that spent nothing. Raises `Invalid`."""
    _refuse_unknown(dimension)
    lines = LedgerEntry.objects.filter(**{f"{dimension}__in": values}).values(dimension)
    return {line[dimension]: line["total"] for line in lines.annotate(total=Sum("spent_delta")).order_by(dimension)}
