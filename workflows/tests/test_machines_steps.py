"""Twenty thousand steps on the tables alone: stories with their tasks, anybody trying anything."""

import random
from dataclasses import dataclass, field, replace
from typing import Any

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
from workflows.machines.core import held_by
from workflows.machines.task_effects import after, approved_by, reopened, retired, stopped
from workflows.rollup import SYSTEM, next_step

pytestmark = pytest.mark.unit
STEPS, STORIES = 20_000, 16
BUILDERS = ("admin", "product_owner", "architect", "developer", "qa", "devops", "data")
SAID = "This is not what was asked for."
REJECTIONS = ("reject_code", "fail_tests", "reject_result")
STOPS = ("reset", "carry_over", "drop")
BACK = (*STOPS, "discard_task", "release", "reject_scope")
"""Acts that are tried less often, or nothing would ever be finished."""

CAST = [
    *(
        Who(f"person:{role}{number}", "person", frozenset({role}))
        for role in (*BUILDERS, "client")
        for number in (1, 2)
    ),
    Who("person:hats", "person", frozenset(BUILDERS)),
    Who("person:liar", "person", frozenset({"system", "planner agent", "implementer"})),
    *(
        Who(f"agent:{role}", "agent", frozenset({role}))
        for role in ("developer", "architect", "qa", "planner", "admin")
    ),
    Who("agent:liar", "agent", frozenset(BUILDERS)),
    Who("owner:one", "owner", frozenset({"owner", "product_owner"})),
    SYSTEM,
]


@dataclass
class Told:
    """A story with its tasks, and who really did what, kept beside the machine's own books."""

    key: str
    state: str = "draft"
    tasks: dict[str, TaskFacts] = field(default_factory=dict)
    acts: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    shas: set[tuple[str, str]] = field(default_factory=set)

    def facts(self) -> StoryFacts:
        lines = tuple(TaskLine(ref, task.state, task.state == "done") for ref, task in self.tasks.items())
        return StoryFacts(self.state, dor_score=100, tasks=lines)

    def task(self, reference: str) -> TaskFacts:
        return replace(self.tasks[reference], story_state=self.state)

    def add(self, count: int) -> None:
        for _ in range(count):
            reference = f"{self.key}.{len(self.tasks) + 1}"
            self.tasks[reference], self.acts[reference] = TaskFacts("todo"), set()


class Steps:
    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311
        self.stories = [Told(f"A-{number}") for number in range(STORIES)]
        self.taken: set[tuple[str, str]] = set()
        self.number = 0

    def step(self) -> None:
        story, who = self.dice.choice(self.stories), self.dice.choice(CAST)
        if story.state == "archived" and self.dice.random() < 0.2:
            self.stories[self.stories.index(story)] = Told(f"{story.key}x")
        elif story.tasks and self.dice.random() < 0.7:
            self._on_task(story, self.dice.choice(list(story.tasks)), who)
        else:
            self._on_story(story, who)
        self._roll_up(story)
        self._check(story)

    def _on_story(self, story: Told, who: Who) -> None:
        facts = story.facts()
        name, who = self._chosen(STORY, facts, who)
        named = tuple(ref for ref in story.tasks if self.dice.random() < 0.4)
        count = self.dice.randrange(3) if name in ("derive_tasks", *REJECTIONS) else 0
        given = Given(feedback=self.dice.choice(["", "no", SAID]), reopened=named, added=count)
        if not refusals(STORY, name, facts, who, given):
            self._move(story, name, given)

    def _chosen(self, machine: Any, facts: Any, who: Who) -> tuple[str, Who]:
        """Any act by anybody or, more often, one that leads on by somebody whom the table names."""
        rows = [row for row in machine.leaving(facts.state) if row.action not in BACK or self.dice.random() < 0.06]
        if not rows or self.dice.random() < 0.25:
            return self.dice.choice(machine.actions), who
        row = self.dice.choice(rows)
        able = [one for one in CAST if (held_by(one) | facts.standing(one)) & set(row.who)]
        return row.action, self.dice.choice(able) if able else who

    def _move(self, story: Told, name: str, given: Given) -> None:
        target = STORY.target(story.state, name)
        self.taken.add((story.state, name))
        if name == "derive_tasks" and given.added:
            story.tasks = {reference: retired(task) for reference, task in story.tasks.items()}
        story.add(given.added)
        for reference, task in story.tasks.items():
            if name in STOPS:
                story.tasks[reference] = stopped(task)
            elif name in REJECTIONS and reference in given.reopened:
                story.tasks[reference] = reopened(task)
                story.acts[reference] = {act for act in story.acts[reference] if act[0] == "author"}
        story.state = target

    def _on_task(self, story: Told, reference: str, who: Who) -> None:
        facts = story.task(reference)
        if facts.lease_live and self.dice.random() < 0.03:
            story.tasks[reference] = replace(facts, lease_live=False)
            return
        if facts.state == "pending_po_approval" and self.dice.random() < 0.5:
            self._approve(story, reference, facts, who)
            return
        name, who = self._chosen(TASK, facts, who)
        given = self._given(facts)
        if refusals(TASK, name, facts, who, given):
            return
        assert not facts.holder or name == "discard_task" or who.ref == facts.holder or not facts.lease_live
        self.taken.add((facts.state, name))
        story.tasks[reference] = after(name, facts, who, given)
        self._keep(story, reference, name, who, given)
        if name == "reject_story" and story.state == "ready_to_review":
            # The product owner who sends a task back sends its story back with it.
            self._move(story, "reject_result", Given(feedback=SAID, reopened=(reference,)))

    def _keep(self, story: Told, reference: str, name: str, who: Who, given: Given) -> None:
        acts = story.acts[reference]
        if name in ("commit_code", "revise_code"):
            assert given.commit is not None
            assert given.commit.ci == "green"
            assert (reference, given.commit.sha) not in story.shas, "a commit is handed in twice"
            story.shas.add((reference, given.commit.sha))
            acts.difference_update({act for act in acts if act[0] != "author"})
            acts.add(("author", who.ref))
        part = {"approve_design": "reviewer", "approve_tests": "tester"}.get(name)
        if part:
            acts.add((part, who.ref))

    def _approve(self, story: Told, reference: str, facts: TaskFacts, who: Who) -> None:
        probe = Given(receipt=MergeReceipt(facts.commit_sha, "m"))
        if not facts.approved and not refusals(TASK, "approve_story", replace(facts, approved=True), who, probe):
            story.tasks[reference] = approved_by(facts, who)
            story.acts[reference].add(("approver", who.ref))

    def _given(self, facts: TaskFacts) -> Given:
        self.number += 1
        sha = f"c{self.number}" if self.dice.random() < 0.9 else (facts.rejected_sha or facts.commit_sha or "c")
        return Given(
            feedback=self.dice.choice(["", "no", SAID, SAID]),
            commit=CommitEvidence(sha, self.dice.choice(["green", "green", "red"]), self.dice.random() < 0.9),
            report=TestReport(facts.commit_sha, passed=self.dice.choice([3, 3, 0])),
            receipt=MergeReceipt(facts.commit_sha, "m") if self.dice.random() < 0.8 else None,
        )

    def _roll_up(self, story: Told) -> None:
        """What the platform does by itself; it comes to rest."""
        for _ in range(6):
            step = next_step(story.facts())
            if step is None:
                return
            name, reopen = step
            self._move(story, name, Given(reopened=reopen))
        raise AssertionError(f"{story.key} rolls on and on")

    def _check(self, story: Told) -> None:
        assert story.state in STORY.states
        live = story.facts().live
        if story.state in ("accepted", "done"):
            assert live
            assert all(line.state == "done" for line in live)
        if story.state in ("testing", "ready_to_review"):
            assert not any(line.state in ("todo", "implementing") for line in live)
        for reference, task in story.tasks.items():
            held = [ref for ref in (task.implementer, task.reviewer, task.tester) if ref]
            assert len(held) == len(set(held)), reference
            claimed = task.state in ("implementing", "arch_reviewing", "qa_testing")
            assert bool(task.holder) == claimed, f"{reference}: {task}"
            if task.state == "done":
                parts: dict[str, set[str]] = {}
                for part, ref in story.acts[reference]:
                    parts.setdefault(part, set()).add(ref)
                assert set(parts) == {"author", "reviewer", "tester", "approver"}, f"{reference}: {parts}"
                refs = [ref for some in parts.values() for ref in some]
                assert len(refs) == len(set(refs)), f"{reference}: {parts}"


def test_twenty_thousand_steps_break_no_rule(seed: int) -> None:
    steps = Steps(seed)
    for number in range(STEPS):
        try:
            steps.step()
        except AssertionError as error:
            raise AssertionError(f"step {number}: {error}") from error
    rows = {(source, row.action) for m in (STORY, TASK) for row in m.transitions for source in row.sources}
    untaken = rows - steps.taken - {("pending_po_approval", "approve_story")}
    assert len(untaken) < len(rows) / 4, f"most is untried: {sorted(untaken)}"
