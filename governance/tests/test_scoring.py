"""The pure core of reputation: replay, decay, levels."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.scoring import (
    RESTRICTED_BELOW,
    SHIPPED,
    START,
    PermissionLevel,
    ReputationKind,
    decay_of,
    fold,
    idle_weeks,
    level_of,
    next_level,
    points_for,
)

pytestmark = pytest.mark.unit
HAPPENINGS = st.one_of(st.sampled_from(sorted(SHIPPED)), st.integers(-200, 200), st.just("week"))
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@given(st.lists(HAPPENINGS, max_size=80), st.data())
def test_the_stored_points_fold_into_the_score_that_was_lived_through(
    life: list[ReputationKind | int | str], data: st.DataObject
) -> None:
    score, stored = START, []
    for happening in life:
        if happening == "week":
            points = decay_of(score)
        else:
            points = happening if isinstance(happening, int) else points_for(ReputationKind(happening), {})
        stored.append(points)
        score = max(0, score + points)
    assert fold(stored) == score
    cut = data.draw(st.integers(0, len(stored)))
    assert fold(stored[cut:], fold(stored[:cut])) == score, "folding goes on from any kept score"


@given(st.integers(0, 5000), st.integers(0, 600))
def test_decay_takes_about_one_percent_and_never_goes_below_fifty(score: int, weeks: int) -> None:
    left = fold([decay_of(score)], score)
    assert left == score if score <= RESTRICTED_BELOW else RESTRICTED_BELOW <= left < score
    assert score - left <= max(1, -(-score // 100))
    for _ in range(weeks):
        left = fold([decay_of(left)], left)
    assert left == score if score <= RESTRICTED_BELOW else left >= RESTRICTED_BELOW


def test_decay_ends_at_fifty() -> None:
    score, weeks = START, 0
    while decay_of(score):
        score, weeks = score + decay_of(score), weeks + 1
    assert (score, weeks) == (50, 50)
    assert [decay_of(score) for score in (0, 49, 50, 51, 100, 101, 200)] == [0, 0, 0, -1, -1, -2, -2]


@given(st.integers(0, 5000))
def test_the_next_level_is_what_that_many_points_bring(score: int) -> None:
    above = next_level(score)
    if above is None:
        assert level_of(score) == PermissionLevel.PROD_FULL_ACCESS
    else:
        level, points = above
        assert level_of(score + points) == level != level_of(score + points - 1)


def test_only_whole_weeks_count_and_the_policy_weighs() -> None:
    assert idle_weeks(NOW - timedelta(days=14, seconds=-1), NOW) == 1
    assert idle_weeks(NOW - timedelta(days=14), NOW) == 2
    assert idle_weeks(NOW + timedelta(days=30), NOW) == 0
    assert points_for(ReputationKind.VIOLATION, {"violation": -50}) == -50
    assert points_for(ReputationKind.VIOLATION, {}) == -20
    with pytest.raises(KeyError):
        points_for(ReputationKind.DECAY, {})
