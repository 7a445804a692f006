"""The ledger line by line, as far as somebody wants to see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Max, QuerySet, Sum

from governance.models import LedgerEntry
from governance.selectors.money import DIMENSIONS, entry_view
from governance.views import EntryView

COLUMNS = DIMENSIONS | {"kind"}


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    """Lines of these owners (column by column, all of them must fit), counted from `since` to before `until`."""

    columns: Mapping[str, str]
    since: datetime | None = None
    until: datetime | None = None


def ledger(wanted: LedgerFilter, *, before: int | None = None, limit: int = 50) -> list[EntryView]:
    """The newest lines that fit; only those older than the line with the id `before`, where given."""
    rows = _fitting(wanted).select_related("reservation").order_by("-id")
    return [entry_view(row) for row in (rows if before is None else rows.filter(id__lt=before))[:limit]]


def ledger_total(wanted: LedgerFilter) -> Decimal:
    """What the lines that fit have spent, in US dollars."""
    total: Decimal | None = _fitting(wanted).aggregate(total=Sum("spent_delta"))["total"]
    return total if total is not None else Decimal(0)


def _fitting(wanted: LedgerFilter) -> QuerySet[LedgerEntry]:
    narrowed: dict[str, Any] = {name: value for name, value in wanted.columns.items() if name in COLUMNS and value}
    rows = LedgerEntry.objects.filter(**narrowed)
    if wanted.since is not None:
        rows = rows.filter(counted_at__gte=wanted.since)
    return rows if wanted.until is None else rows.filter(counted_at__lt=wanted.until)


def last_calls() -> dict[str, datetime]:
    """When each agent (its reference) last paid for something, in a run of its own or on a council."""
    rows = LedgerEntry.objects.exclude(agent="").values("agent").annotate(last=Max("at")).order_by("agent")
    return {row["agent"]: row["last"] for row in rows}
