"""When schedules are due, and what remains of a sprint day by day: the pure parts."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from workflows.burndown import LONGEST, Change, burn_down
from workflows.timetable import NoTimetable, Timetable, fill_in

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 21, 7, 20, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "field"),
    [
        ("* * * * *", "UTC", "cron"),
        ("*/5 * * * *", "UTC", "cron"),
        ("0 9 * * MON *", "UTC", "cron"),
        ("0 9 * *", "UTC", "cron"),
        ("61 9 * * *", "UTC", "cron"),
        ("0 9 31 2 *", "UTC", "cron"),
        ("@daily", "UTC", "cron"),
        ("0 9 * * MON; DROP", "UTC", "cron"),
        ("", "UTC", "cron"),
        ("0 9 * * *", "Mars/Olympus", "timezone"),
        ("0 9 * * *", "../../etc/passwd", "timezone"),
        ("0 9 * * *", "", "timezone"),
        ("0 9 * * *", "localtime", "timezone"),
    ],
)
def test_what_is_no_timetable_is_refused_with_its_field(cron: str, zone: str, field: str) -> None:
    with pytest.raises(NoTimetable) as refused:
        Timetable.of(cron, zone, NOW)
    assert refused.value.field == field


def test_the_next_time_is_judged_in_the_schedules_zone() -> None:
    berlin = Timetable.of("0 9 * * MON", "Europe/Berlin", NOW)
    assert berlin.after(NOW) == at("2026-11-23 08:00")
    assert berlin.after(at("2026-07-01 00:00")) == at("2026-07-06 07:00"), "summer time"
    assert "09:00" in berlin.words()


def test_a_time_that_the_clock_skips_or_repeats_is_due_once() -> None:
    night = Timetable.of("30 2 * * *", "Europe/Berlin", NOW)
    spring = night.after(at("2027-03-27 12:00"))
    assert spring.date() == date(2027, 3, 28)
    assert night.after(spring).date() == date(2027, 3, 29)
    autumn = night.after(at("2027-10-30 12:00"))
    assert night.after(autumn) - autumn > timedelta(hours=23)
    for often in ("*/30 * * * *", "0 * * * *"):
        Timetable.of(
            often, "Europe/Berlin", at("2027-10-30 20:00")
        )  # an hour that comes twice brings nothing too close


def test_after_a_stand_still_the_latest_time_is_due_and_the_others_are_counted() -> None:
    daily = Timetable.of("0 9 * * *", "UTC", NOW)
    due = daily.due(at("2026-11-17 09:00"), at("2026-11-20 12:00"))
    assert due is not None
    assert (due.at, due.missed, due.next_at) == (at("2026-11-20 09:00"), 3, at("2026-11-21 09:00"))
    assert daily.due(at("2026-11-21 09:00"), at("2026-11-21 08:59")) is None
    punctual = daily.due(at("2026-11-21 09:00"), at("2026-11-21 09:00"))
    assert punctual is not None
    assert punctual.missed == 0


def test_a_template_says_the_date_of_its_zone() -> None:
    text = fill_in("{date} {week} {month} #{number} {other}", at("2026-11-22 23:30"), "Asia/Tokyo", 7)
    assert text == "2026-11-23 2026-W48 November 2026 #7 {other}"


def test_a_burn_down_is_the_sum_of_what_happened_until_each_day() -> None:
    changes = [
        Change(at("2026-11-02 09:00"), 5, 2, True),
        Change(at("2026-11-02 10:00"), 3, 1, True),
        Change(at("2026-11-03 10:00"), 0, -1, False),
        Change(at("2026-11-04 23:59"), -5, -1, False),
        Change(at("2026-11-05 00:00"), 2, 1, True),
    ]
    days = burn_down(changes, date(2026, 11, 2), date(2026, 11, 6), at("2026-11-05 12:00"))
    assert [(day.points, day.tasks) for day in days] == [(8, 3), (8, 2), (3, 1), (5, 2), (None, None)]
    assert [day.ideal for day in days] == [8.0, 6.0, 4.0, 2.0, 0.0]
    assert [day.present for day in days] == [False, False, False, True, False]


def test_a_sprint_without_an_end_or_past_it_is_drawn_until_now() -> None:
    changes = [Change(at("2026-11-02 09:00"), 5, 2, True)]
    open_ended = burn_down(changes, date(2026, 11, 2), None, at("2026-11-04 12:00"))
    assert [(day.points, day.ideal) for day in open_ended] == [(5, None)] * 3
    late = burn_down(changes, date(2026, 11, 2), date(2026, 11, 3), at("2026-11-04 12:00"))
    assert [(day.points, day.ideal) for day in late] == [(5, 5.0), (5, 0.0), (5, None)]
    assert burn_down([], date(2026, 11, 9), None, at("2026-11-04 12:00")), "one that starts later has a day to show"


def test_a_sprint_that_began_in_another_age_is_drawn_by_its_last_days_alone() -> None:
    class Counted(list[Change]):
        read = 0

        def __iter__(self) -> Iterator[Change]:
            self.read += 1
            return super().__iter__()

    changes = Counted([Change(at("2026-11-02 09:00"), 5, 2, True), Change(at("2026-11-01 09:00"), 1, 1, True)])
    days = burn_down(changes, date(26, 11, 2), date(2026, 11, 5), at("2026-11-04 12:00"))
    assert len(days) == LONGEST
    assert (days[0].day, days[-1].day) == (date(2026, 7, 9), date(2026, 11, 5))
    assert [day.points for day in days[-5:]] == [1, 6, 6, 6, None], "whatever order the changes were kept in"
    assert changes.read < 5, "read once, not once a day"
