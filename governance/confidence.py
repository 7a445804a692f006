"""How sure an agent's effect is, 0 to 1, by a formula that anybody can repeat; and how right that was. Pure; no Django.

Formula 1: the mean of the known components, weighted by `WEIGHTS`, then held down by what is missing:
- at most 0.3 + 0.7 × CI, and at most 0.5 where CI said nothing;
- at most 0.5 where components of less than half of the weight are known.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

FORMULA = 1
ONE = Decimal(1)
PLACES = Decimal("0.0001")
UNPROVEN = Decimal("0.5")
RED = Decimal("0.3")
BANDS = (Decimal(0), Decimal("0.5"), Decimal("0.6"), Decimal("0.7"), Decimal("0.8"), Decimal("0.9"), ONE)


class Component(StrEnum):
    """`logprob`: the geometric mean of the probabilities of the tokens that the model chose. `council`: the share of its
    voters that put the chosen proposal first. `support`: how much of the text that was added stands in the evidence.
    `ci`: the share of checks that passed. `risk`: what the policy's risk leaves."""

    LOGPROB = "logprob"
    COUNCIL = "council"
    SUPPORT = "support"
    CI = "ci"
    RISK = "risk"


WEIGHTS: Mapping[Component, Decimal] = {
    Component.CI: Decimal("0.30"),
    Component.SUPPORT: Decimal("0.25"),
    Component.RISK: Decimal("0.20"),
    Component.COUNCIL: Decimal("0.15"),
    Component.LOGPROB: Decimal("0.10"),
}
RISK_LEAVES: Mapping[str, Decimal] = {"low": ONE, "medium": Decimal("0.8"), "high": Decimal("0.5")}
WORDS: Mapping[Component, str] = {
    Component.CI: "CI passed {share} of its checks",
    Component.SUPPORT: "{share} of what was added stands in the evidence",
    Component.RISK: "the policy’s risk leaves {share}",
    Component.COUNCIL: "{share} of the council’s voters put it first",
    Component.LOGPROB: "the model was {share} sure of its words",
}


@dataclass(frozen=True, slots=True)
class Confidence:
    """`score` and what it rests on; `reasons` says what held it down, in words, the heaviest first."""

    score: Decimal
    components: Mapping[Component, Decimal]
    reasons: tuple[str, ...]

    def below(self, threshold: Decimal) -> bool:
        return self.score < threshold


def confidence(known: Mapping[Component, Decimal]) -> Confidence:
    """The confidence by formula 1, to four places. Raises ValueError for a component outside 0 to 1."""
    for name, value in known.items():
        if not (value.is_finite() and 0 <= value <= 1):
            raise ValueError(f"{name} is from 0 to 1, not {value}")
    weight = sum((WEIGHTS[name] for name in known), Decimal(0))
    score = sum((WEIGHTS[name] * value for name, value in known.items()), Decimal(0)) / weight if weight else Decimal(0)
    ci = known.get(Component.CI)
    score = min(score, UNPROVEN if ci is None else RED + (ONE - RED) * ci)
    if weight < UNPROVEN:
        score = min(score, UNPROVEN)
    return Confidence(score.quantize(PLACES, ROUND_HALF_EVEN), dict(known), _reasons(known, weight))


def _reasons(known: Mapping[Component, Decimal], weight: Decimal) -> tuple[str, ...]:
    lost = sorted(known, key=lambda name: (-WEIGHTS[name] * (ONE - known[name]), name))
    said = [WORDS[name].format(share=percent(known[name])) for name in lost if known[name] < 1]
    if Component.CI not in known:
        said.insert(0, "CI said nothing about it")
    if weight < UNPROVEN:
        said.insert(0, "too little is known about it")
    return tuple(said)


def percent(share: Decimal) -> str:
    """A share as people read it, never rounded up to all of it."""
    return f"{math.floor(share * 100)} %"


def from_logprobs(mean: float | None) -> Decimal | None:
    """The component of a mean log-probability (natural, 0 or less); None where the engine gave none."""
    if mean is None or not math.isfinite(mean):
        return None
    return Decimal(str(math.exp(min(mean, 0.0)))).quantize(PLACES)


def from_votes(winner: str, votes: Iterable[Mapping[str, int]]) -> Decimal | None:
    """The component of a council: each vote maps proposals to points; one for the winner alone in front is worth 1, one
    that puts others level with it a half. None without votes on the winner."""
    worth = []
    for vote in votes:
        if winner not in vote or len(vote) < 2:
            continue
        best = max(points for proposal, points in vote.items() if proposal != winner)
        worth.append(ONE if vote[winner] > best else UNPROVEN if vote[winner] == best else Decimal(0))
    return (sum(worth, Decimal(0)) / len(worth)).quantize(PLACES) if worth else None


@dataclass(frozen=True, slots=True)
class Sample:
    """One assessment as calibration sees it: `agreed` is None while nobody decided."""

    score: Decimal
    halted: bool
    agreed: bool | None


@dataclass(frozen=True, slots=True)
class Band:
    """Assessments from `low` to below `high` (the last one up to 1): how many, how many halted, what people said.

    `brier` is of those that people judged, None where that is none.
    """

    low: Decimal
    high: Decimal
    number: int
    halted: int
    judged: int
    agreed: int
    mean: Decimal | None
    brier: Decimal | None

    @property
    def agreement(self) -> Decimal | None:
        return (Decimal(self.agreed) / self.judged).quantize(PLACES) if self.judged else None


@dataclass(frozen=True, slots=True)
class Calibration:
    """`brier` is the mean squared difference between confidence and people's answer: 0 is perfect, 0.25 is a coin."""

    number: int
    judged: int
    halted: int
    brier: Decimal | None
    bands: tuple[Band, ...]


def calibrate(samples: Sequence[Sample]) -> Calibration:
    """How right the confidence was, by band. Every sample is in exactly one band."""
    return Calibration(
        number=len(samples),
        judged=sum(sample.agreed is not None for sample in samples),
        halted=sum(sample.halted for sample in samples),
        brier=_brier(samples),
        bands=tuple(_band(low, high, samples) for low, high in itertools.pairwise(BANDS)),
    )


def _brier(samples: Sequence[Sample]) -> Decimal | None:
    """The mean squared difference between confidence and what people said; None while they said nothing."""
    squares = [(sample.score - int(sample.agreed)) ** 2 for sample in samples if sample.agreed is not None]
    return (sum(squares, Decimal(0)) / len(squares)).quantize(PLACES) if squares else None


def _band(low: Decimal, high: Decimal, samples: Sequence[Sample]) -> Band:
    inside = [sample for sample in samples if low <= sample.score < high or sample.score == high == ONE]
    mean = sum((sample.score for sample in inside), Decimal(0)) / len(inside) if inside else None
    return Band(
        low=low,
        high=high,
        number=len(inside),
        halted=sum(sample.halted for sample in inside),
        judged=sum(sample.agreed is not None for sample in inside),
        agreed=sum(sample.agreed is True for sample in inside),
        mean=mean.quantize(PLACES) if mean is not None else None,
        brier=_brier(inside),
    )
