"""Both machines together, looked at whole: every place that a story with a task can come to, by anybody, in any order.

People who could do everything are interchangeable and commits have no names here, so that the places are few enough to be
looked at one by one. Inputs are good ones; what bad ones are answered with is asked in `test_tables`.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

import pytest

from workflows.machines import (
    STORY,
    TASK,
    CommitEvidence,
    Given,
    MergeReceipt,
    StoryFacts,
    TaskFacts,
    TaskLine,
    TestReport,
    Who,
    refusals,
)
from workflows.machines.task_effects import after, approved_by, reopened, stopped

pytestmark = pytest.mark.unit
CRAFTS = frozenset({"developer", "architect", "qa", "product_owner", "admin"})
MASON = Who("agent:mason", "agent", frozenset({"developer"}))
SYSTEM = Who("system:workflows", "system", frozenset({"system"}))
EVERYBODY = tuple(Who(f"person:{name}", "person", CRAFTS) for name in "abc")
REFS = tuple(who.ref for who in EVERYBODY)
CAST = (*EVERYBODY, MASON, SYSTEM)
GIVEN = Given(
    feedback="This is not what was asked for.",
    commit=CommitEvidence("new", "green"),
    report=TestReport("handed in", passed=1),
    receipt=MergeReceipt("handed in", "merged"),
)
AUTHORING = ("commit_code", "revise_code")
JUDGING = {
    "approve_design": "reviewer",
    "reject_design": "reviewer",
    "approve_tests": "tester",
    "reject_tests": "tester",
}
REJECTIONS = ("reject_code", "fail_tests", "reject_result")
STOPS = ("reset", "carry_over", "drop")
Deeds = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Place:
    """A story, its one task, who really did what with the commit that stands, and who ever wrote one."""

    story: str
    task: TaskFacts | None = None
    deeds: Deeds = frozenset()
    authors: frozenset[str] = frozenset()

    @property
    def facts(self) -> StoryFacts:
        lines = (TaskLine("A-1.1", self.task.state, self.task.state == "done"),) if self.task else ()
        return StoryFacts(self.story, dor_score=100, tasks=lines)

    @property
    def key(self) -> tuple[object, ...]:
        task = self.task
        if task is None:
            return (self.story,)
        held = (task.implementer, task.reviewer, task.tester, task.holder)
        flags = (task.lease_live, task.approved, bool(task.commit_sha), bool(task.rejected_sha))
        return self.story, task.state, frozenset(task.parts.items()), held, flags, self.deeds, self.authors


def standing(place: Place, task: TaskFacts, ref: str) -> tuple[object, ...]:
    """Everything that tells one of the interchangeable people from another."""
    held = tuple(ref == other for other in (task.implementer, task.reviewer, task.tester, task.holder))
    return task.parts.get(ref, ""), held, sorted(part for part, by in place.deeds if by == ref), ref in place.authors


def renamed(place: Place) -> Place:
    """The same place with the interchangeable people in one order, and commits called by what they are."""
    task = place.task
    if task is None:
        return place
    ordered = sorted((standing(place, task, ref), ref) for ref in REFS)
    names = dict(zip((ref for _, ref in ordered), REFS, strict=True))

    def called(ref: str) -> str:
        return names.get(ref, ref)

    task = replace(
        task,
        story_state=place.story,
        parts=MappingProxyType({called(ref): part for ref, part in task.parts.items()}),
        implementer=called(task.implementer),
        reviewer=called(task.reviewer),
        tester=called(task.tester),
        holder=called(task.holder),
        commit_sha="handed in" if task.commit_sha else "",
        rejected_sha="rejected" if task.rejected_sha else "",
        earlier_shas=frozenset(),
    )
    deeds = frozenset((part, called(ref)) for part, ref in place.deeds)
    return Place(place.story, task, deeds, frozenset(map(called, place.authors)))


@cache
def story_acts(facts: StoryFacts, cast: tuple[Who, ...]) -> list[str]:
    """What somebody may do with the story."""
    return [row.action for row in STORY.leaving(facts.state) if any(_may(row.action, facts, who) for who in cast)]


def _may(name: str, facts: StoryFacts, who: Who) -> bool:
    fresh = name == "derive_tasks" and not facts.live
    given = replace(GIVEN, added=int(fresh), reopened=("A-1.1",) if name in REJECTIONS else ())
    return not refusals(STORY, name, facts, who, given)


def onward(place: Place, cast: tuple[Who, ...]) -> Iterator[tuple[str, Place]]:
    """Every act that somebody may do, and where it leads."""
    for name in story_acts(place.facts, cast):
        yield name, _story_moved(place, name)
    task = place.task
    if task is None:
        return
    if task.lease_live:
        yield "lapse", replace(place, task=replace(task, lease_live=False))
    alike: list[tuple[object, ...]] = []
    for who in cast:
        mine = standing(place, task, who.ref) if who.ref in REFS else None
        if mine is None or mine not in alike:
            yield from _task_acts(place, task, who)
            alike += [mine] if mine is not None else []


def _story_moved(place: Place, name: str) -> Place:
    story, task, deeds = STORY.target(place.story, name), place.task, place.deeds
    if name == "derive_tasks" and not place.facts.live:
        return Place(story, TaskFacts("todo"))
    if task is not None and name in STOPS:
        task = stopped(task)
    if task is not None and name in REJECTIONS:
        task, deeds = reopened(task), frozenset(deed for deed in deeds if deed[0] == "author")
    return Place(story, task, deeds, place.authors)


def _task_acts(place: Place, task: TaskFacts, who: Who) -> Iterator[tuple[str, Place]]:
    waits = task.state == "pending_po_approval" and not task.approved
    if waits and not refusals(TASK, "approve_story", replace(task, approved=True), who, GIVEN):
        yield "approve", _did(replace(place, task=approved_by(task, who)), "approver", who.ref)
    for row in TASK.leaving(task.state):
        # The merge completes what was approved, in the name of whoever approved it.
        merges = row.action == "approve_story" and ("approver", who.ref) not in place.deeds
        if not merges and not refusals(TASK, row.action, task, who, GIVEN):
            yield row.action, _acted(place, task, row.action, who)


def _acted(place: Place, task: TaskFacts, name: str, who: Who) -> Place:
    following = replace(place, task=after(name, task, who, GIVEN))
    if name in AUTHORING:
        authored = replace(following, deeds=frozenset(), authors=place.authors | {who.ref})
        return _did(authored, "author", who.ref)
    assert name not in JUDGING or who.ref not in place.authors, "an author judges"
    return _did(following, JUDGING[name], who.ref) if name in JUDGING else following


def _did(place: Place, part: str, ref: str) -> Place:
    return replace(place, deeds=place.deeds | {(part, ref)})


def explored(cast: tuple[Who, ...]) -> tuple[list[Place], set[tuple[str, str]]]:
    """Every place that can be come to, and every row of both tables that led there, as state and act."""
    first = Place("draft")
    seen, queue, rows = {first.key: first}, deque([first]), set()
    while queue:
        place = queue.popleft()
        for name, other in onward(place, cast):
            state = place.story if name in STORY.actions else place.task.state if place.task else ""
            rows.add((state, name))
            following = renamed(other)
            if seen.setdefault(following.key, following) is following:
                queue.append(following)
    return list(seen.values()), rows


def test_no_way_through_both_machines_breaks_a_rule() -> None:
    places, rows = explored(CAST)
    assert {place.story for place in places} == set(STORY.states)
    assert {place.task.state for place in places if place.task} == set(TASK.states)
    wanted = {(source, row.action) for m in (STORY, TASK) for row in m.transitions for source in row.sources}
    assert wanted - rows == set(), "rows that nothing leads to"
    for place in places:
        check(place)


def check(place: Place) -> None:
    """What holds everywhere."""
    doers = [ref for _, ref in place.deeds]
    assert len(doers) == len(set(doers)), f"somebody has two parts: {place}"
    approvers = {ref for part, ref in place.deeds if part == "approver"}
    assert not approvers & place.authors, f"an author approves: {place}"
    assert all(ref.startswith("person:") for ref in approvers), "an agent approves"
    task = place.task
    if task is not None:
        assert bool(task.holder) == (task.state in ("implementing", "arch_reviewing", "qa_testing")), place
        if task.state == "done":
            assert {part for part, _ in place.deeds} == {"author", "reviewer", "tester", "approver"}, place
    if place.story in ("accepted", "done"):
        assert task is not None, place
        assert task.state == "done", place


@pytest.mark.parametrize("role", ["developer", "architect", "qa", "product_owner"])
def test_nothing_is_done_where_one_role_is_missing(role: str) -> None:
    places, _ = explored(tuple(replace(who, roles=who.roles - {role}) for who in CAST))
    assert len(places) > 1
    assert all(place.task is None or place.task.state != "done" for place in places)
    assert not any(place.story in ("accepted", "done") for place in places)
