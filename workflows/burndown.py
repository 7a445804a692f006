"""What remains of a sprint, day by day, from the history of its changes. Pure; no Django."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

POINTS = {"XS": 1, "S": 2, "M": 3, "L": 5, "XL": 8}
"""What a story's size counts for; one that is not estimated counts nothing."""
ENTERED = "entered"
"""The cause of a change by which a story came in."""
LONGEST = 120
"""Days that are shown at most; a sprint that goes on for longer is shown by its last ones."""


@dataclass(frozen=True, slots=True)
class Change:
    """By how much the remaining points and tasks changed at `at`; `entered` says that a story came in with it."""

    at: datetime
    points: int
    tasks: int
    entered: bool


@dataclass(frozen=True, slots=True)
class Day:
    """What remained at the end of a day (UTC), or now on the present one.

    `ideal` is the straight line's points on that day, None without an end; `points` None is a day still to come.
    """

    day: date
    points: int | None
    tasks: int | None
    ideal: float | None
    present: bool


def points_of(size: str) -> int:
    """Points of a story of this size."""
    return POINTS.get(size, 0)


def burn_down(changes: Sequence[Change], starts: date, ends: date | None, until: datetime) -> list[Day]:
    """One entry per day from `starts` to `ends`, or to `until` where that is later or there is no end.

    `until` is now, or the moment at which the sprint was closed. The ideal line falls from what was committed by the end of
    the first day with a story to zero on `ends`.
    """
    last = until.astimezone(UTC).date()
    end = max(ends or last, last)
    first = max(min(starts, last), end - timedelta(days=LONGEST - 1))
    ideal = _ideal(changes, starts, ends)
    remaining = _remaining(changes)
    shown = []
    for day in _days(first, end):
        points, tasks = remaining(day) if day <= last else (None, None)
        shown.append(Day(day, points, tasks, ideal(day) if ideal else None, day == last))
    return shown


def committed(changes: Iterable[Change]) -> int:
    """All points that came in, whatever became of them."""
    return sum(change.points for change in changes if change.entered)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _remaining(changes: Iterable[Change]) -> Callable[[date], tuple[int, int]]:
    """What remained at the end of a day; each change is added up once, however many days are asked for."""
    dates, sums, points, tasks = [], [(0, 0)], 0, 0
    for change in sorted(changes, key=lambda change: change.at):
        points, tasks = points + change.points, tasks + change.tasks
        dates.append(change.at.astimezone(UTC).date())
        sums.append((points, tasks))
    return lambda day: sums[bisect_right(dates, day)]


class _Line:
    """From `top` on `first` to zero on `last`."""

    def __init__(self, top: int, first: date, last: date) -> None:
        self._top, self._first, self._length = top, first, (last - first).days

    def __call__(self, day: date) -> float | None:
        gone = (day - self._first).days
        if gone < 0 or gone > self._length:
            return None
        return self._top * (1 - gone / self._length) if self._length else 0.0


def _ideal(changes: Sequence[Change], starts: date, ends: date | None) -> _Line | None:
    entered = [change.at.astimezone(UTC).date() for change in changes if change.entered]
    if ends is None or not entered:
        return None
    first = max(starts, min(entered))
    if first > ends:
        return None
    top = committed(change for change in changes if change.at.astimezone(UTC).date() <= first)
    return _Line(top, first, ends)
