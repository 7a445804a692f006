"""Freezes, locks, checks and approvers as a policy writes them."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from governance.policies.release import Freeze, Release, WeeklyFreeze

pytestmark = pytest.mark.unit
WEEKEND = WeeklyFreeze(starts="fri 16:00", ends="mon 08:00", time_zone="America/New_York", reason="Nobody is here.")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-20 20:59:59", None),
        ("2026-11-20 21:00:00", "2026-11-23 13:00"),
        ("2026-11-23 12:59:59", "2026-11-23 13:00"),
        ("2026-11-23 13:00:00", None),
        ("2026-10-31 12:00:00", "2026-11-02 13:00"),
        ("2026-10-30 20:00:00", "2026-11-02 13:00"),
    ],
)
def test_a_weekly_freeze_is_by_the_clock_on_the_wall(now: str, until: str | None) -> None:
    assert WEEKEND.until(at(now)) == (at(until) if until else None)


def test_a_freeze_is_by_its_own_time_zone() -> None:
    freeze = Freeze(
        starts=datetime(2026, 12, 23, 16),
        ends=datetime(2027, 1, 2, 8),
        time_zone="Asia/Tokyo",
        reason="Christmas",
        environments=["a:*"],
    )
    release = Release(freezes=[freeze], weekly_freezes=[WEEKEND])
    assert release.frozen("a:main", at("2026-12-23 07:00")) == [("Christmas", at("2027-01-01 23:00"))]
    assert release.frozen("a:main", at("2026-12-23 06:59")) == []
    assert release.frozen("b:main", at("2026-12-23 07:00")) == []


def test_the_strictest_rule_counts() -> None:
    release = Release.model_validate(
        {
            "locks": [{"environments": ["a:main"], "reason": "It is broken."}],
            "checks": [{"environments": ["a:*"], "require": ["tests"]}, {"require": ["review"]}],
            "approvers": [{"count": 2}, {"environments": ["a:main"], "count": 3}],
        }
    )
    assert (release.locked("a:main"), release.locked("b:main")) == (["It is broken."], [])
    assert release.required("a:main") == ("ci", "review", "tests")
    assert Release().required("a:main") == ("ci",)
    assert (release.approvers_of("a:main"), release.approvers_of("b:main"), Release().approvers_of("x")) == (3, 2, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"freezes": [{"starts": "2027-01-02", "ends": "2026-12-23", "time_zone": "UTC", "reason": "Back"}]},
        {
            "freezes": [
                {"starts": "2026-12-23T10:00+02:00", "ends": "2027-01-02", "time_zone": "UTC", "reason": "Twice"}
            ]
        },
        {
            "freezes": [
                {"starts": "0001-01-01", "ends": "2027-01-02", "time_zone": "Asia/Tokyo", "reason": "Before time"}
            ]
        },
        {
            "freezes": [
                {
                    "starts": "2027-01-02",
                    "ends": "9999-12-31T23:00",
                    "time_zone": "America/Lima",
                    "reason": "After time",
                }
            ]
        },
        {"weekly_freezes": [{"starts": "fri 25:00", "ends": "mon 08:00", "time_zone": "UTC", "reason": "Late"}]},
        {"weekly_freezes": [{"starts": "fri 16:00", "ends": "mon 08:00", "time_zone": "Mars/One", "reason": "Far"}]},
        {"locks": [{"environments": [], "reason": "Nothing"}]},
        {"checks": [{"require": ["luck"]}]},
        {"approvers": [{"count": 0}]},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Release.model_validate(wrong)
