"""When a schedule is due: cron expressions of five fields in a time zone. Pure; no Django.

Days on which the clock is changed follow Debian's cron: a time that is skipped is due right after, one that comes twice
is due once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

CLOSEST = timedelta(minutes=10)
"""Two firings are at least this far apart: each one writes a story for people and agents."""
LOOKED_AT = 60
"""How many firings ahead are looked at for ones that are too close: an hour of every minute."""
NO_PLACES = frozenset({"Factory", "localtime"})
"""What the system's database lists beside time zones: these say what a machine is set to, or that nobody set it."""
MOST_MISSED = 100_000
"""Firings that are counted one by one after a stand-still, at least two years of them."""


class NoTimetable(ValueError):
    """The expression or the time zone cannot be understood; the message is for people, `field` says which it is."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


@dataclass(frozen=True, slots=True)
class Due:
    """The latest time that is due, how many before it were missed, and when it is due next."""

    at: datetime
    missed: int
    next_at: datetime


@dataclass(frozen=True, slots=True)
class Timetable:
    """A checked cron expression in a time zone."""

    cron: str
    timezone: str

    @classmethod
    def of(cls, cron: str, timezone: str, now: datetime) -> "Timetable":
        """Raises `NoTimetable` for what is no expression, no zone, never due, or due more often than allowed."""
        table = cls(" ".join(cron.split()), timezone)
        if timezone not in _zones():
            raise NoTimetable("timezone", "Name a time zone such as Europe/Berlin or UTC.")
        if len(cron.split()) != 5:
            raise NoTimetable("cron", "Give five fields: minute, hour, day of month, month, day of week.")
        try:
            times = CronSim(table.cron, now.astimezone(ZoneInfo(timezone)))
            ahead = [moment.astimezone(UTC) for moment, _ in zip(times, range(LOOKED_AT), strict=False)]
        except (CronSimError, ValueError) as error:
            raise NoTimetable("cron", f"This is no cron expression: {error}. Example: 0 9 * * MON.") from None
        if not ahead:
            raise NoTimetable("cron", "This never comes.")
        if any(later - earlier < CLOSEST for earlier, later in pairwise(ahead)):
            minutes = int(CLOSEST.total_seconds() // 60)
            raise NoTimetable("cron", f"At least {minutes} minutes have to lie between two firings.")
        return table

    def after(self, moment: datetime) -> datetime:
        """The first due time after `moment`, in UTC."""
        return next(CronSim(self.cron, moment.astimezone(ZoneInfo(self.timezone)))).astimezone(UTC)

    def due(self, since: datetime, now: datetime) -> Due | None:
        """What is due at `now` when `since` is the first time not dealt with; None when nothing is."""
        if since > now:
            return None
        latest, missed = since.astimezone(UTC), 0
        for moment in CronSim(self.cron, since.astimezone(ZoneInfo(self.timezone))):
            following = moment.astimezone(UTC)
            if following > now or missed == MOST_MISSED:
                break
            latest, missed = following, missed + 1
        return Due(latest, missed, self.after(now))

    def words(self) -> str:
        """The expression in words, such as "At 09:00 on Monday"."""
        return CronSim(self.cron, datetime(2026, 1, 1, tzinfo=UTC)).explain()


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - NO_PLACES


def zones() -> list[str]:
    """Every time zone that a schedule can be in, by name."""
    return sorted(_zones())


def fill_in(text: str, due_at: datetime, timezone: str, number: int) -> str:
    """A template's text with {date}, {week}, {month} and {number} filled in; other braces stay as they are."""
    local = due_at.astimezone(ZoneInfo(timezone))
    year, week, _ = local.isocalendar()
    values = {"date": f"{local:%Y-%m-%d}", "week": f"{year}-W{week:02}", "month": f"{local:%B %Y}", "number": number}
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text
