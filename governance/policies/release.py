"""When changes may go to an environment: freezes, locks, required checks and approvers, as a policy says it. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOMENT = re.compile(rf"({'|'.join(DAYS)}) ([01]\d|2[0-3]):([0-5]\d)")
CHECKS = ("ci", "review", "tests")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        raise ValueError("give a time zone of the IANA list, such as Europe/London") from None
    return value


def _moment(value: str) -> str:
    if not _MOMENT.fullmatch(value):
        raise ValueError("give a day and a time, such as fri 16:00")
    return value


def _local(value: datetime) -> datetime:
    if value.tzinfo is not None:
        raise ValueError("give local time without an offset; time_zone says where")
    return value


Environments = Annotated[list[Annotated[str, Field(min_length=1, max_length=160)]], Field(min_length=1, max_length=100)]
Reason = Annotated[str, Field(min_length=3, max_length=300)]
Moment = Annotated[str, AfterValidator(_moment)]
Local = Annotated[datetime, AfterValidator(_local)]


class _Section(BaseModel):
    """What concerns environments: patterns over `repository:branch`, such as `shop:main` or `*`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    environments: Environments = ["*"]

    def covers(self, environment: str) -> bool:
        return any(fnmatchcase(environment, pattern) for pattern in self.environments)


class Freeze(_Section):
    """A time in which nothing goes out: from one local date and time to another."""

    starts: Local
    ends: Local
    time_zone: Annotated[str, AfterValidator(_zone)]
    reason: Reason

    @model_validator(mode="after")
    def _ordered(self) -> "Freeze":
        if self.ends <= self.starts:
            raise ValueError("a freeze ends after it starts")
        try:
            self._span()
        except OverflowError:
            raise ValueError("give times that lie between the years 1 and 9999 in UTC too") from None
        return self

    def until(self, now: datetime) -> datetime | None:
        """When the freeze ends (UTC) where `now` lies in it, else None."""
        starts, ends = self._span()
        return ends if starts <= now < ends else None

    def _span(self) -> tuple[datetime, datetime]:
        zone = ZoneInfo(self.time_zone)
        return self.starts.replace(tzinfo=zone).astimezone(UTC), self.ends.replace(tzinfo=zone).astimezone(UTC)


class WeeklyFreeze(_Section):
    """A time of every week in which nothing goes out, such as from `fri 16:00` to `mon 08:00`."""

    starts: Moment
    ends: Moment
    time_zone: Annotated[str, AfterValidator(_zone)]
    reason: Reason

    def until(self, now: datetime) -> datetime | None:
        """As `Freeze.until`; equal moments freeze the whole week."""
        zone = ZoneInfo(self.time_zone)
        starts, ends = _minutes(self.starts), _minutes(self.ends)
        length = timedelta(minutes=(ends - starts - 1) % (7 * 24 * 60) + 1)
        here = now.astimezone(zone).replace(tzinfo=None)
        monday = (here - timedelta(days=here.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
        for weeks in (1, 0):
            begin = monday - timedelta(weeks=weeks) + timedelta(minutes=starts)
            first, last = (at.replace(tzinfo=zone).astimezone(UTC) for at in (begin, begin + length))
            if first <= now < last:
                return last
        return None


class Lock(_Section):
    """Environments to which nothing goes out as long as the policy says so."""

    environments: Environments
    reason: Reason


class RequiredChecks(_Section):
    """Checks that must have passed on exactly the commit that goes out."""

    require: Annotated[list[Literal["ci", "review", "tests"]], Field(min_length=1)]


class Approvers(_Section):
    """So many distinct people approve, where the risk does not ask for more."""

    count: int = Field(strict=True, ge=1, le=9)


class Release(BaseModel):
    """Release controls. CI is always required on a merge; the rest is as the policy says."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    freezes: Annotated[list[Freeze], Field(max_length=200)] = []
    weekly_freezes: Annotated[list[WeeklyFreeze], Field(max_length=50)] = []
    locks: Annotated[list[Lock], Field(max_length=100)] = []
    checks: Annotated[list[RequiredChecks], Field(max_length=50)] = []
    approvers: Annotated[list[Approvers], Field(max_length=50)] = []

    def locked(self, environment: str) -> list[str]:
        """Why the environment is locked; nothing when it is not."""
        return [lock.reason for lock in self.locks if lock.covers(environment)]

    def frozen(self, environment: str, now: datetime) -> list[tuple[str, datetime]]:
        """Freezes that are on for the environment: reason and end (UTC)."""
        windows: Sequence[Freeze | WeeklyFreeze] = [*self.freezes, *self.weekly_freezes]
        on = [(window.reason, window.until(now)) for window in windows if window.covers(environment)]
        return [(reason, until) for reason, until in on if until is not None]

    def required(self, environment: str) -> tuple[str, ...]:
        """Checks that a commit needs there, in a fixed order."""
        named = {name for rule in self.checks if rule.covers(environment) for name in rule.require}
        return tuple(check for check in CHECKS if check == "ci" or check in named)

    def approvers_of(self, environment: str) -> int:
        """How many distinct people must approve, whatever the risk; at least 1."""
        return max((rule.count for rule in self.approvers if rule.covers(environment)), default=1)


def _minutes(moment: str) -> int:
    """Minutes since Monday 00:00."""
    day, time = moment.split()
    hour, minute = time.split(":")
    return DAYS.index(day) * 24 * 60 + int(hour) * 60 + int(minute)
