"""The time that a page of costs is about, as its address says. Days are calendar days in UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from guildhall.kernel.errors import Invalid

DEFAULT = "14d"
LABELS = {"7d": "7 days", "14d": "14 days", "month": "Month", "90d": "90 days", "all": "All"}
MONTHLY_FROM = 93
"""From so many days on a chart has a bar a month."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included; an open `first` begins with the ledger. `key` is "" for days of one's own."""

    key: str
    first: date | None
    last: date

    @classmethod
    def parse(cls, given: Mapping[str, str], now: datetime) -> "Period":
        """From `?period=` or `?from=&to=`. Raises `Invalid` for what is no day or runs backwards."""
        today = now.astimezone(UTC).date()
        if given.get("from") or given.get("to"):
            last = _day(given, "to") or today
            return cls("", _ordered(_day(given, "from"), last), last)
        key = given.get("period", DEFAULT)
        key = key if key in LABELS else DEFAULT
        if key == "all":
            return cls(key, None, today)
        if key == "month":
            return cls(key, today.replace(day=1), today)
        return cls(key, today - timedelta(days=int(key[:-1]) - 1), today)

    @property
    def since(self) -> datetime | None:
        return datetime.combine(self.first, time(), UTC) if self.first else None

    @property
    def until(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.last + timedelta(days=1), time(), UTC)

    @property
    def between(self) -> dict[str, Any]:
        """What selectors of the ledger take."""
        return {"since": self.since, "until": self.until}

    @property
    def words(self) -> str:
        """In a sentence: `1 to 21 November 2026`."""
        if self.first is None:
            return f"until {_said(self.last)}"
        if self.first == self.last:
            return _said(self.last)
        same = (self.first.year, self.first.month) == (self.last.year, self.last.month)
        return f"{self.first.day if same else _said(self.first)} to {_said(self.last)}"

    @property
    def query(self) -> str:
        """As the address says it."""
        if self.key:
            return urlencode({"period": self.key})
        days = {"from": self.first.isoformat() if self.first else "", "to": self.last.isoformat()}
        return urlencode({name: day for name, day in days.items() if day})


def _said(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _day(given: Mapping[str, str], name: str) -> date | None:
    text = given.get(name, "")
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 2000 <= day.year <= 9000:
        raise Invalid("These days cannot be read.", fields={name: ["Give a day such as 2026-11-21."]})
    return day


def _ordered(first: date | None, last: date) -> date | None:
    if first is not None and first > last:
        raise Invalid("The period ends before it begins.", fields={"from": ["Give a day that is not after the other."]})
    return first
