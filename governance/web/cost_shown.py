"""Costs as pages show them: breakdowns with names, and a chart of days with its table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from governance.events import BudgetLimitSet
from governance.models.money import CostKind
from governance.views import DaySpend, SpendLine
from governance.web.cost_period import MONTHLY_FROM, Period
from guildhall.portal.registry import address_of, parties
from guildhall.portal.templatetags.guildhall_ui import money, named

BREAKDOWNS = {
    "model": "Model", "agent": "Agent", "strategy": "Strategy", "story": "Story", "project": "Project",
    "cost_kind": "Kind", "task": "Task", "run": "Run", "api_key": "API key", "owner": "Owner", "provider": "Provider",
}  # fmt: skip
"""What a page breaks costs down by, and how it is called there."""
ALWAYS = ("model", "agent", "strategy", "story", "project", "cost_kind")
"""What is shown whichever is chosen; of the others the one that is."""
NOBODY = {by: f"No {title}" if by == "api_key" else f"No {title.lower()}" for by, title in BREAKDOWNS.items()}
NAMED = frozenset({"agent", "strategy"})
SERIES = 4
"""Colours of a chart; what has none is added up as Other."""
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose cost something is, in words; `url` is "" where there is no page of it."""

    key: str
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Share:
    """One line of a breakdown."""

    owner: Owner
    line: SpendLine


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The dearest owners of one dimension; `rest` is what the others spent, `most` the dearest one's spend."""

    by: str
    title: str
    shares: list[Share]
    rest: Decimal
    others: int

    @property
    def most(self) -> Decimal:
        return max([share.line.spent for share in self.shares], default=ZERO)


def owners(by: str, keys: Iterable[str]) -> dict[str, Owner]:
    """Names and addresses of these owners of one dimension; one look-up where names are kept elsewhere."""
    wanted = list(dict.fromkeys(keys))
    refs = {key: _ref(by, key) for key in wanted if key}
    known = parties(refs.values()) if by in NAMED else {}
    found = {}
    for key in wanted:
        ref = refs.get(key, "")
        if not key:
            label = NOBODY.get(by, "None")
        elif by in NAMED:
            label = known[ref].name
        else:
            label = CostKind(key).label if by == "cost_kind" else _plain(by, key)
        found[key] = Owner(key, label, address_of(ref) if ref else "")
    return found


def _ref(by: str, key: str) -> str:
    return key if by in ("agent", "owner") else f"{by}:{key}"


def _plain(by: str, key: str) -> str:
    if by == "owner":
        return named(key)
    return f"{BREAKDOWNS[by]} {key}" if by in ("run", "api_key") else key


def breakdown(by: str, lines: Sequence[SpendLine], known: dict[str, Owner], shown: int = 8) -> Breakdown:
    """The first `shown` of lines that are sorted by spend, and the rest as one sum: together they are the total."""
    shares = [Share(known[line.owner], line) for line in lines[:shown]]
    rest = sum((line.spent for line in lines[shown:]), ZERO)
    return Breakdown(by, BREAKDOWNS[by], shares, rest, max(0, len(lines) - shown))


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of days (or months) with one colour for each series, and the same as rows for a table."""

    series: list[str]
    columns: list[tuple[str, list[Decimal], bool]]
    rows: list[tuple[str, list[Decimal], Decimal]]
    sums: list[Decimal]
    total: Decimal
    finding: str
    step: str


def day_chart(by: str, days: Sequence[DaySpend], known: dict[str, Owner], period: Period, today: date) -> Chart:
    """Spend of each day of the period by the dearest owners; months where days would be too many."""
    first = period.first or min((day.day for day in days), default=period.last)
    monthly = (period.last - first).days >= MONTHLY_FROM
    buckets = _months(first, period.last) if monthly else _days(first, period.last)
    leading = _leading(days)
    many = len({day.owner for day in days}) > len(leading)
    width = len(leading) + many
    cells: dict[date, list[Decimal]] = {bucket: [ZERO] * width for bucket in buckets}
    for day in days:
        bucket = day.day.replace(day=1) if monthly else day.day
        place = leading.index(day.owner) if day.owner in leading else width - 1
        cells[bucket][place] += day.spent
    now = today.replace(day=1) if monthly else today
    names = [known[owner].label for owner in leading] + (["Other"] if many else [])
    rows = [(_long(bucket, monthly), cells[bucket], sum(cells[bucket], ZERO)) for bucket in buckets]
    sums = [sum((cells[bucket][place] for bucket in buckets), ZERO) for place in range(width)]
    return Chart(
        series=names,
        columns=[(_short(bucket, monthly), cells[bucket], bucket == now) for bucket in buckets],
        rows=rows,
        sums=sums,
        total=sum(sums, ZERO),
        finding=_finding(rows, by, "month" if monthly else "day"),
        step="Month" if monthly else "Day",
    )


def _leading(days: Sequence[DaySpend]) -> list[str]:
    """The owners that have a colour of their own, the dearest first."""
    spent: dict[str, Decimal] = {}
    for day in days:
        spent[day.owner] = spent.get(day.owner, ZERO) + day.spent
    dearest = sorted(spent, key=lambda owner: (-spent[owner], owner))
    return dearest if len(dearest) <= SERIES else dearest[: SERIES - 1]


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _months(first: date, last: date) -> list[date]:
    whole = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [date(number // 12, number % 12 + 1, 1) for number in whole]


def _short(bucket: date, monthly: bool) -> str:
    return f"{bucket:%b}" if monthly else str(bucket.day)


def _long(bucket: date, monthly: bool) -> str:
    return f"{bucket:%B %Y}" if monthly else f"{bucket.day} {bucket:%b %Y}"


def _finding(rows: Sequence[tuple[str, list[Decimal], Decimal]], by: str, step: str) -> str:
    name, _, most = max(rows, key=lambda row: row[2])
    stacked = f"Spend per {step}, stacked by {BREAKDOWNS[by] if by == 'api_key' else BREAKDOWNS[by].lower()}."
    return f"{stacked} Highest {money(most)} on {name}." if most else f"{stacked} Nothing was spent."


def hours_today(spent: dict[datetime, Decimal], now: datetime) -> tuple[list[tuple[str, list[Decimal], bool]], str]:
    """Bars of today's hours so far, UTC, at least eight of them, and what they say."""
    start = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [start.replace(hour=0) + timedelta(hours=number) for number in range(max(start.hour, 7) + 1)]
    columns = [(f"{hour:%H}", [spent.get(hour, ZERO)], hour == start) for hour in hours]
    name, amounts, _ = max(columns, key=lambda column: column[1][0])
    finding = f"Spend per hour today, UTC. Highest {money(amounts[0])} at {name}:00." if amounts[0] else ""
    return columns, finding or "Nothing was spent today."


@dataclass(frozen=True, slots=True)
class MoneyEvent:
    """An alert or a change of a limit in words."""

    who: str
    words: str
    tone: str
    at: datetime


SCOPES = {"tenant": "the organisation", "api_key": "API key"}
WINDOWS = {"hour": "hourly", "day": "daily", "total": "total"}


def money_event(entry: Mapping[str, Any]) -> MoneyEvent:
    """An entry of the audit trail about a limit, without the references that programs read."""
    said, subject = entry["event"], str(entry["subject"]).removeprefix("budget:")
    kind, _, rest = subject.partition(":")
    identity = rest.rpartition(":")[0] if str(entry["subject"]).startswith("budget:") else rest
    name = SCOPES.get(kind, kind)
    whose = f"each {name}" if identity == "*" and kind != "tenant" else name
    whose = f"{whose} {identity}" if identity not in ("", "*") else whose
    limit = f"the {WINDOWS.get(said['window'], said['window'])} limit of {whose}"
    percent = said.get("percent", 0)
    if percent:
        words = f"{percent}% of {limit} is used ({money(Decimal(said['limit']))})"
        return MoneyEvent("", words, "t-bad" if percent >= 95 else "t-wait", entry["at"])
    act = "set" if entry["kind"] == BudgetLimitSet.kind else "removed"
    amount = f" to {money(Decimal(said['amount']))}" if act == "set" else f" ({money(Decimal(said['amount']))})"
    actor = entry["actor"]
    who = "Guildhall" if actor["kind"] == "system" else str(actor["name"])
    return MoneyEvent(who, f"{act} {limit}{amount}", "t-idle", entry["at"])
