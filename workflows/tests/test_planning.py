"""Deriving tasks: what is accepted, retried once with its error, and refused."""

import json
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from workflows.planning import DerivationFailed, Derived, Planning, Standing, TaskDraft, derive, find_cycle, problems_of
from workflows.planning.derivation import proposal_schema

pytestmark = pytest.mark.unit

CRITERIA = ("given a shop, when asked, then answers", "given a return, when late, then refuses")
SAID = "You split a story into tasks."
STORY = Planning("SHOP-1", "Answer returns", "Customers ask about returns all the time.", CRITERIA, size="M")


class Scripted:
    """Answers in order, and remembers what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = [answer if isinstance(answer, str) else json.dumps(answer) for answer in answers]
        self.asked: list[list[dict[str, str]]] = []

    def __call__(self, messages: list[dict[str, str]], schema: dict[str, Any]) -> str:
        self.asked.append(messages)
        return self.answers[len(self.asked) - 1]


def task(title: str, criteria: list[int], depends_on: list[int] | None = None, **more: Any) -> dict[str, Any]:
    return {"title": title, "role": "developer", "criteria": criteria, "depends_on": depends_on or [], **more}


GOOD = {"tasks": [task("Write the entry", [1], size="S", risk="low"), task("Check lateness", [2], [1])]}


def test_a_good_proposal_is_taken_at_once() -> None:
    planner = Scripted(GOOD)
    result = derive(planner, STORY, SAID)
    assert isinstance(result, Derived)
    assert [draft.depends_on for draft in result.drafts] == [(), (1,)]
    assert result.drafts[0].acceptance == (CRITERIA[0],)
    assert len(planner.asked) == result.attempts == 1


def test_a_single_task_answers_for_every_criterion() -> None:
    result = derive(Scripted({"tasks": [task("Write the entry", [1])]}), STORY, SAID)
    assert isinstance(result, Derived)
    assert result.drafts[0].acceptance == CRITERIA


def test_what_is_done_or_under_way_is_shown_and_not_planned_again() -> None:
    done = Standing("SHOP-1.1", "Write the entry", "done", CRITERIA[:1])
    story = replace(STORY, standing=(done,))
    twice = Scripted({"tasks": [task("Write the entry", [1])]}, {"tasks": [task("Check lateness", [1])]})
    result = derive(twice, story, SAID)
    asked = twice.asked[0][-1]["content"]
    assert "Write the entry (done)" in asked
    assert f"1. {CRITERIA[1]}" in asked
    assert CRITERIA[0] not in asked, "it is answered for"
    assert "repeats SHOP-1.1, which is done" in twice.asked[1][-1]["content"]
    assert isinstance(result, Derived)
    assert [draft.acceptance for draft in result.drafts] == [CRITERIA[1:]]


def test_a_new_task_waits_for_those_that_stand_by_reference_and_for_no_others() -> None:
    stands = (Standing("SHOP-1.1", "Write the entry", "under way"), Standing("SHOP-1.2", "Translate it", "done"))
    strange, fit = ({**task("Check lateness", [1]), "needs": [ref]} for ref in ("SHOP-9.1", "SHOP-1.1"))
    planner = Scripted({"tasks": [strange]}, {"tasks": [fit]})
    result = derive(planner, replace(STORY, standing=stands), SAID)
    assert "SHOP-1.1 Write the entry (under way)" in planner.asked[0][-1]["content"]
    assert "'SHOP-9.1' is not one of ['SHOP-1.1', 'SHOP-1.2']" in planner.asked[1][-1]["content"]
    assert isinstance(result, Derived)
    assert [draft.needs for draft in result.drafts] == [("SHOP-1.1",)]
    assert isinstance(derive(Scripted(*[{"tasks": [fit]}] * 2), STORY, SAID), DerivationFailed), "nothing stands there"


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("not json at all", "not JSON"),
        ({"tasks": [task("Round the \ud800 VAT", [1])]}, "lone surrogates"),
        ({"tasks": [task("Round the \0 VAT", [1])]}, "null characters"),
        ("[" * 5000, "too deep"),
    ],
    ids=["no JSON", "surrogate", "null", "deep"],
)
def test_the_retry_carries_the_error(bad: Any, error: str) -> None:
    planner = Scripted(bad, GOOD)
    result = derive(planner, STORY, SAID)
    assert isinstance(result, Derived)
    assert result.attempts == 2
    assert error in planner.asked[1][-1]["content"]


def test_two_bad_answers_are_a_failure_with_its_problems() -> None:
    circle = {"tasks": [task("Write one", [1], [2]), task("Write two", [2], [1])]}
    planner = Scripted(circle, circle)
    result = derive(planner, STORY, SAID)
    assert isinstance(result, DerivationFailed)
    assert result.problems == (
        "Tasks wait for each other in a circle: 1 (Write one) -> 2 (Write two) -> 1 (Write one).",
    )
    assert len(planner.asked) == 2


@pytest.mark.parametrize(
    "bad",
    [
        [],
        {"tasks": []},
        {"tasks": [task("Write the entry", [1, 9])]},
        {"tasks": [task("Write the entry", [1], role="ceo")]},
        {"tasks": [task("Write the entry", [1], owner="me")]},
        {"tasks": [task(f"Write entry {n}", [1]) for n in range(9)]},
        {"tasks": [task("Write the entry", [1]), task("Write more of it", [1])]},
        {"tasks": [task("Write the entry", [1]), task("write the entry", [2])]},
        {"tasks": [task("Write the entry", [1]), task("Write more of it", [2], [7])]},
    ],
)
def test_bad_proposals_are_refused(bad: Any) -> None:
    assert isinstance(derive(Scripted(bad, bad), STORY, SAID), DerivationFailed)


def test_the_schema_knows_roles_numbers_and_how_many() -> None:
    schema = proposal_schema(Planning("A-1", "t", "b", CRITERIA, size="M", roles=("data",)))
    check = Draft202012Validator(schema)
    first = {"title": "Write the entry", "role": "data", "size": "S", "risk": "low", "criteria": [1], "depends_on": []}
    assert check.is_valid({"tasks": [first, {**first, "depends_on": [1]}]})
    assert not check.is_valid({"tasks": [first, {**first, "depends_on": [3]}]})
    assert not check.is_valid({"tasks": [{**first, "role": "developer"}]})
    assert not check.is_valid({"tasks": [first] * 4})
    assert "prefixItems" not in json.dumps(schema), "engines that build grammars refuse tuples with an end"


def test_a_circle_that_the_schema_lets_through_is_named() -> None:
    story = Planning("A-1", "t", "b", CRITERIA, size="M")
    first = {
        "title": "Write the entry",
        "role": "developer",
        "size": "S",
        "risk": "low",
        "criteria": [1],
        "depends_on": [2],
    }
    bad = {"tasks": [first, {**first, "title": "Check the entry", "depends_on": [1]}]}
    found = derive(Scripted(bad, bad), story, SAID)
    assert isinstance(found, DerivationFailed)
    assert any("1" in problem and "2" in problem for problem in found.problems)


def test_drafts_come_back_as_they_were_stored() -> None:
    draft = TaskDraft("Write the entry", "developer", CRITERIA, (1, 2), "M", "high", needs=("SHOP-1.1",))
    assert TaskDraft.from_dict(json.loads(json.dumps(draft.as_dict()))) == draft


@pytest.mark.parametrize(
    "raw",
    [{"title": 3}, {"depends_on": ["1"]}, {"needs": [1]}, {"needs": "A-1.1"}, {"acceptance": "x"}, {"owner": "me"}],
)
def test_malformed_drafts_say_what_is_wrong(raw: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"text|list|unknown"):
        TaskDraft.from_dict({"title": "Write the entry", "role": "developer", **raw})


def test_people_may_order_freely_but_not_in_circles() -> None:
    drafts = [TaskDraft("Second", "developer", depends_on=(2,)), TaskDraft("First", "developer")]
    assert problems_of(drafts) == []
    assert find_cycle({1: [2], 2: [3], 3: [2]}) == (2, 3)
    assert find_cycle({1: [1]}) == (1,)
    assert find_cycle({1: [2, 3], 2: [3], 3: []}) == ()
