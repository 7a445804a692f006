"""Which proposal wins. Pure: the same entries and votes in any order give the same ranking, and there is never a tie."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

CRITERIA = ("correctness", "risk", "cost", "testability")
"""Each is rated 0 to 10, and 10 is the best: risk 10 is hardly any risk, cost 10 is cheap."""
LOWEST, TOP = 0, 10


@dataclass(frozen=True, slots=True)
class Entry:
    """A proposal: its seat, what its author's tokens cost (USD), and its place in the order in which proposals came."""

    seat: str
    cost: Decimal
    order: int


@dataclass(frozen=True, slots=True)
class Vote:
    """What the seat `author` gives to the proposal of the seat `about`: a rating per criterion."""

    author: str
    about: str
    ratings: Mapping[str, int]

    def __post_init__(self) -> None:
        if set(self.ratings) != set(CRITERIA):
            raise ValueError(f"rate each of {', '.join(CRITERIA)}")
        for name, rating in self.ratings.items():
            if isinstance(rating, bool) or not isinstance(rating, int) or not LOWEST <= rating <= TOP:
                raise ValueError(f"{name} is rated {rating!r}; give a whole number from {LOWEST} to {TOP}")


@dataclass(frozen=True, slots=True)
class Choice:
    """A ranked proposal: its mean over all criteria, the means by criterion, and how many votes it got."""

    seat: str
    mean: Fraction
    means: Mapping[str, Fraction]
    votes: int


def rank(entries: Iterable[Entry], votes: Iterable[Vote]) -> list[Choice]:
    """The proposals that somebody else voted on, best first.

    Highest mean score; then higher correctness, then lower risk, then lower token cost, then the earlier proposal. What an
    author gives to its own proposal does not count. Raises ValueError for two votes of one seat on the same proposal.
    """
    given: dict[str, dict[str, Vote]] = {}
    for vote in votes:
        of = given.setdefault(vote.about, {})
        if vote.author in of:
            raise ValueError(f"{vote.author} voted twice on {vote.about}")
        if vote.author != vote.about:
            of[vote.author] = vote
    judged = [(entry, list(given[entry.seat].values())) for entry in entries if given.get(entry.seat)]
    ranked = sorted(((_choice(entry, cast), entry) for entry, cast in judged), key=_worth)
    return [choice for choice, _ in ranked]


def majority(seats: int) -> int:
    """How many of `seats` are more than half of them."""
    return seats // 2 + 1


def _choice(entry: Entry, votes: list[Vote]) -> Choice:
    means = {name: Fraction(sum(vote.ratings[name] for vote in votes), len(votes)) for name in CRITERIA}
    return Choice(entry.seat, sum(means.values(), Fraction(0)) / len(CRITERIA), means, len(votes))


def _worth(found: tuple[Choice, Entry]) -> tuple[Fraction, Fraction, Fraction, Decimal, int]:
    choice, entry = found
    return -choice.mean, -choice.means["correctness"], -choice.means["risk"], entry.cost, entry.order
