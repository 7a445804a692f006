"""Confidence as arithmetic: bounded, monotonic, and never above what is missing."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.confidence import (
    BANDS,
    RED,
    UNPROVEN,
    WEIGHTS,
    Band,
    Calibration,
    Component,
    Sample,
    calibrate,
    confidence,
    from_logprobs,
    from_votes,
)

pytestmark = pytest.mark.unit

shares = st.decimals(min_value=0, max_value=1, places=4)
known = st.dictionaries(st.sampled_from(list(Component)), shares)
THRESHOLD = Decimal("0.70")


@given(known, st.sampled_from(list(Component)), shares)
def test_it_lies_between_0_and_1_and_never_falls_when_a_component_rises(
    parts: Mapping[Component, Decimal], name: Component, other: Decimal
) -> None:
    score = confidence(parts).score
    assert 0 <= score <= 1
    assert score == confidence(dict(reversed(list(parts.items())))).score
    if name in parts:
        low, high = sorted((parts[name], other))
        assert confidence({**parts, name: low}).score <= confidence({**parts, name: high}).score


@given(known)
def test_what_ci_said_nothing_good_of_is_never_sure(parts: Mapping[Component, Decimal]) -> None:
    without: dict[Component, Decimal] = {name: value for name, value in parts.items() if name != Component.CI}
    assert confidence(without).score <= UNPROVEN
    assert confidence({**without, Component.CI: Decimal(0)}).score <= RED
    if sum(WEIGHTS[name] for name in parts) < UNPROVEN:
        assert confidence(parts).score <= UNPROVEN


def test_the_formula_is_what_the_docs_say() -> None:
    parts = {
        Component.CI: Decimal(1),
        Component.SUPPORT: Decimal("0.8"),
        Component.RISK: Decimal("0.8"),
        Component.COUNCIL: Decimal("0.5"),
    }
    found = confidence(parts)
    # (0.30 × 1 + 0.25 × 0.8 + 0.20 × 0.8 + 0.15 × 0.5) / 0.90
    assert found.score == Decimal("0.8167")
    assert not found.below(THRESHOLD)
    assert found.reasons[0] == "50 % of the council’s voters put it first"
    halted = confidence({**parts, Component.SUPPORT: Decimal("0.1"), Component.RISK: Decimal("0.5")})
    assert halted.score == Decimal("0.5556")
    assert halted.below(THRESHOLD)
    assert halted.reasons[0] == "10 % of what was added stands in the evidence"
    assert sum(WEIGHTS.values()) == 1
    with pytest.raises(ValueError, match="from 0 to 1"):
        confidence({Component.CI: Decimal("1.1")})


def test_components_from_what_engines_and_councils_say() -> None:
    assert from_logprobs(0.0) == 1
    assert from_logprobs(-0.6931471805599453) == Decimal("0.5")
    assert from_logprobs(None) is from_logprobs(float("nan")) is None
    assert from_votes("A", [{"A": 40, "B": 30}, {"A": 30, "C": 30}, {"B": 9, "C": 1}]) == Decimal("0.75")
    assert from_votes("A", [{"A": 10, "B": 30}]) == 0
    assert from_votes("A", [{"A": 10}]) is None


@given(st.lists(st.builds(Sample, shares, st.booleans(), st.sampled_from([True, False, None]))))
def test_calibration_counts_each_sample_in_one_band(samples: list[Sample]) -> None:
    report = calibrate(samples)
    assert len(report.bands) == len(BANDS) - 1
    for name in ("number", "halted", "judged"):
        assert sum(getattr(band, name) for band in report.bands) == getattr(report, name)
    parts: list[Calibration | Band] = [report, *report.bands]
    for part in parts:
        assert (part.brier is None) == (part.judged == 0)
        assert part.brier is None or 0 <= part.brier <= 1


def test_the_brier_score_is_the_mean_squared_error() -> None:
    report = calibrate(
        [
            Sample(Decimal("0.9"), False, True),
            Sample(Decimal("0.8"), False, False),
            Sample(Decimal("0.6"), True, None),
        ]
    )
    assert report.brier == Decimal("0.3250")
    assert [band.number for band in report.bands] == [0, 0, 1, 0, 1, 1]
    assert report.bands[5].agreement == 1
    assert [band.brier for band in report.bands[2:]] == [None, None, Decimal("0.6400"), Decimal("0.0100")]
