"""Which proposal wins, for every set of votes: independent of order, blind to authors' own votes, never tied."""

import itertools
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.councils import CRITERIA, Entry, Vote, majority, rank

pytestmark = pytest.mark.unit
SEATS = "ABCDEFG"
RATING = st.integers(0, 10)
RATINGS = st.fixed_dictionaries(dict.fromkeys(CRITERIA, RATING))


@st.composite
def councils(draw: st.DrawFn) -> tuple[list[Entry], list[Vote]]:
    """Proposals in some order, some of the possible votes of others, and some of authors on their own."""
    seats = SEATS[: draw(st.sampled_from([3, 5, 7]))]
    authors = draw(st.permutations(seats))[: draw(st.integers(1, len(seats)))]
    cost = st.sampled_from([Decimal("0.001"), Decimal("0.002")])
    entries = [Entry(seat, draw(cost), order) for order, seat in enumerate(authors)]
    pairs = [(author, about) for author in seats for about in authors]
    cast = draw(st.lists(st.sampled_from(pairs), unique=True))
    return entries, [Vote(author, about, draw(RATINGS)) for author, about in cast]


def others(votes: list[Vote]) -> list[Vote]:
    return [vote for vote in votes if vote.author != vote.about]


@given(councils(), st.randoms())
@settings(max_examples=150, deadline=None)
def test_the_ranking_depends_on_nothing_but_entries_and_others_votes(
    council: tuple[list[Entry], list[Vote]], shuffled: Random
) -> None:
    entries, votes = council
    first = rank(entries, votes)
    again_entries, again_votes = list(entries), list(votes)
    shuffled.shuffle(again_entries)
    shuffled.shuffle(again_votes)
    assert rank(again_entries, again_votes) == first
    assert rank(entries, others(votes)) == first, "what authors give themselves counts for nothing"
    assert {choice.seat for choice in first} == {vote.about for vote in others(votes)}


@given(councils())
@settings(max_examples=150, deadline=None)
def test_each_is_at_least_as_good_as_the_next_by_the_written_order(council: tuple[list[Entry], list[Vote]]) -> None:
    entries, votes = council
    by_seat = {entry.seat: entry for entry in entries}
    ranked = rank(entries, votes)
    for better, worse in itertools.pairwise(ranked):
        one, other = by_seat[better.seat], by_seat[worse.seat]
        assert better.mean == sum(better.means.values()) / len(CRITERIA)
        assert (better.mean, better.means["correctness"], better.means["risk"], -one.cost, -one.order) > (
            worse.mean,
            worse.means["correctness"],
            worse.means["risk"],
            -other.cost,
            -other.order,
        )


def ratings(correctness: int, risk: int, cost: int, testability: int) -> dict[str, int]:
    return {"correctness": correctness, "risk": risk, "cost": cost, "testability": testability}


@pytest.mark.parametrize(
    ("a", "b", "costs", "winner"),
    [
        (ratings(5, 5, 5, 5), ratings(6, 5, 5, 5), (1, 9), "B"),
        (ratings(6, 5, 4, 5), ratings(5, 5, 5, 5), (9, 1), "A"),
        (ratings(5, 4, 6, 5), ratings(5, 6, 4, 5), (1, 9), "B"),
        (ratings(5, 5, 5, 5), ratings(5, 5, 5, 5), (2, 1), "B"),
        (ratings(5, 5, 5, 5), ratings(5, 5, 5, 5), (1, 1), "A"),
    ],
    ids=["mean", "correctness", "risk", "token cost", "the earlier one"],
)
def test_ties_go_the_written_way(a: dict[str, int], b: dict[str, int], costs: tuple[int, int], winner: str) -> None:
    entries = [Entry("A", Decimal(costs[0]), 0), Entry("B", Decimal(costs[1]), 1)]
    assert rank(entries, [Vote("C", "A", a), Vote("C", "B", b)])[0].seat == winner


def test_means_are_exact_and_of_those_who_voted() -> None:
    entries = [Entry("A", Decimal(1), 0)]
    votes = [
        Vote("B", "A", ratings(10, 10, 10, 10)),
        Vote("C", "A", ratings(9, 10, 10, 10)),
        Vote("D", "A", ratings(9, 10, 10, 10)),
    ]
    (choice,) = rank(entries, votes)
    assert choice.mean == (Fraction(28, 3) + 30) / 4
    assert choice.votes == 3


@pytest.mark.parametrize("wrong", [{}, ratings(11, 0, 0, 0), ratings(0, -1, 0, 0), {**ratings(1, 1, 1, 1), "charm": 9}])
def test_what_is_no_rating_is_no_vote(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="rate"):
        Vote("A", "B", wrong)


def test_nobody_votes_twice() -> None:
    vote = Vote("A", "B", ratings(1, 1, 1, 1))
    with pytest.raises(ValueError, match="voted twice"):
        rank([Entry("B", Decimal(1), 0)], [vote, vote])


def test_more_than_half() -> None:
    assert [majority(seats) for seats in (3, 5, 7)] == [2, 3, 4]
