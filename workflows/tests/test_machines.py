"""The two machines, model-checked: every situation a handful of actors can bring a task into, and the story's table."""

import re
from collections import deque
from dataclasses import dataclass, replace
from functools import cache

import pytest

from workflows.machines import (
    FEEDBACK_MIN,
    STORY,
    TASK,
    CommitEvidence,
    Given,
    MergeReceipt,
    RefusalKind,
    StoryFacts,
    TaskFacts,
    TaskLine,
    TestReport,
    Who,
    allowed_actions,
    diagram,
    markdown_table,
    refusals,
)
from workflows.machines.task_effects import after, approved_by, reopened, stopped

pytestmark = pytest.mark.unit

BUILDER = frozenset({"admin", "product_owner", "architect", "developer", "qa", "devops", "data"})
MASON = Who("agent:mason", "agent", frozenset({"developer"}))
ROGUE = Who("agent:rogue", "agent", BUILDER)
POLYMATH = Who("person:polymath", "person", BUILDER)
ARCHITECT = Who("person:architect", "person", frozenset({"architect", "developer"}))
TESTER = Who("person:qa", "person", frozenset({"qa", "product_owner"}))
OWNER = Who("person:owner", "person", frozenset({"product_owner"}))
SYSTEM = Who("system:leases", "system", frozenset({"system"}))
CAST = (MASON, POLYMATH, ARCHITECT, TESTER, OWNER, SYSTEM)
COUNTED = {"commit_code", "revise_code", "approve_design", "approve_tests"}
SAID = "This is not what was asked for."


@dataclass(frozen=True)
class World:
    """A task and, beside the machine's own book-keeping, who really acted on the commit that is under judgement."""

    facts: TaskFacts
    acts: frozenset[tuple[str, str]] = frozenset()

    def key(self) -> tuple[object, ...]:
        facts = self.facts
        parts = tuple(sorted(facts.parts.items()))
        return (replace(facts, parts={}, earlier_shas=frozenset()).__repr__(), parts, facts.earlier_shas, self.acts)


def given_for(facts: TaskFacts) -> Given:
    """The best an actor could bring: whatever is refused with this is refused for the actor or the state."""
    number = len(facts.earlier_shas) + 1
    return Given(
        feedback=SAID,
        commit=CommitEvidence(f"c{number}", "green"),
        report=TestReport(facts.commit_sha, passed=3),
        receipt=MergeReceipt(facts.commit_sha, "m"),
    )


def neighbours(world: World) -> list[tuple[str, World]]:
    facts, found = world.facts, []
    for who in CAST:
        for action in TASK.actions:
            given = given_for(facts)
            if len(facts.earlier_shas) >= 2 and action in ("commit_code", "revise_code"):
                continue
            if refusals(TASK, action, facts, who, given):
                continue
            fresh = action in ("commit_code", "revise_code")
            acts = (frozenset() if fresh else world.acts) | ({(action, who.ref)} if action in COUNTED else frozenset())
            found.append((action, World(after(action, facts, who, given), acts)))
        if facts.state == "pending_po_approval" and not facts.approved and may_approve(facts, who):
            found.append(("approved", World(approved_by(facts, who), world.acts | {("approved", who.ref)})))
    if facts.lease_live:
        found.append(("lease ends", World(replace(facts, lease_live=False), world.acts)))
    if facts.state == "done" and len(facts.earlier_shas) < 2:
        found.append(("story rejected", World(reopened(facts), world.acts)))
    return found


def may_approve(facts: TaskFacts, who: Who) -> bool:
    probe = replace(facts, approved=True)
    given = Given(receipt=MergeReceipt(facts.commit_sha, "m"))
    return not refusals(TASK, "approve_story", probe, who, given)


@cache
def explored() -> tuple[dict[tuple[object, ...], World], frozenset[str]]:
    first = World(TaskFacts(state="todo"))
    seen, queue, used = {first.key(): first}, deque([first]), set()
    while queue:
        for action, world in neighbours(queue.popleft()):
            used.add(action)
            if world.key() not in seen:
                seen[world.key()] = world
                queue.append(world)
    return seen, frozenset(used)


def test_every_task_state_is_reachable_and_every_action_happens_somewhere() -> None:
    worlds, used = explored()
    assert {world.facts.state for world in worlds.values()} == set(TASK.states)
    assert set(TASK.actions) <= used


def test_a_done_task_was_written_reviewed_tested_and_approved_by_four_different_actors_on_its_last_commit() -> None:
    done = [world for world in explored()[0].values() if world.facts.state == "done"]
    assert done
    for world in done:
        actors = {}
        for part, actions in {
            "author": {"commit_code", "revise_code"},
            "reviewer": {"approve_design"},
            "tester": {"approve_tests"},
            "approver": {"approved"},
        }.items():
            actors[part] = {ref for action, ref in world.acts if action in actions}
            assert actors[part], f"done without {part}: {world.acts}"
        flat = [ref for refs in actors.values() for ref in refs]
        assert len(flat) == len(set(flat)), f"one actor in two parts: {actors}"
        assert not any(ref.startswith("system:") for ref in flat)


def test_whoever_ever_implemented_a_task_never_judges_it() -> None:
    judging = {"approve_design", "reject_design", "approve_tests", "reject_tests", "approve_story", "reject_story"}
    for world in explored()[0].values():
        written = {ref for ref, part in world.facts.parts.items() if part == "implementer"}
        for who in (person for person in CAST if person.ref in written):
            for action in judging | {"claim_review", "claim_testing"}:
                assert refusals(TASK, action, world.facts, who, given_for(world.facts))


def test_only_the_holder_of_a_live_claim_acts_on_a_claimed_task() -> None:
    for world in explored()[0].values():
        facts = world.facts
        if facts.state not in ("implementing", "arch_reviewing", "qa_testing"):
            continue
        for who in CAST:
            for action in set(TASK.actions) - {"discard_task", "release"}:
                if not refusals(TASK, action, facts, who, given_for(facts)):
                    assert facts.holder == who.ref
                    assert facts.lease_live


def test_no_step_is_skipped() -> None:
    order = list(TASK.states)
    for world in explored()[0].values():
        for action, following in neighbours(world):
            if action in ("discard_task", "approved", "lease ends", "story rejected"):
                continue
            steps = order.index(following.facts.state) - order.index(world.facts.state)
            assert steps <= 1, f"{world.facts.state} --{action}--> {following.facts.state}"


def test_nothing_leads_out_of_a_terminal_state() -> None:
    for machine in (STORY, TASK):
        assert {state for state in machine.states if not machine.leaving(state)} == machine.terminal


def test_an_agent_gains_nothing_from_roles_that_agents_cannot_hold() -> None:
    facts = TaskFacts(state="todo")
    assert refusals(TASK, "discard_task", facts, ROGUE, Given())
    assert refusals(STORY, "accept", StoryFacts("ready_to_review", tasks=(TaskLine("A-1.1", "done"),)), ROGUE, Given())


def test_feedback_is_asked_for_wherever_the_table_says_so() -> None:
    rows = [row for row in STORY.transitions if row.feedback]
    assert {row.action for row in rows} == {"reject_scope", "reject_result", "reset"}
    for row in rows:
        facts = StoryFacts(row.sources[0], tasks=(TaskLine("A-1.1", "done"),))
        short = Given(feedback="x" * (FEEDBACK_MIN - 1) + " " * 20, added=1)
        assert [item.field for item in refusals(STORY, row.action, facts, OWNER, short)] == ["feedback"]
        assert refusals(STORY, row.action, facts, OWNER, replace(short, feedback="x" * FEEDBACK_MIN)) == []
    assert {row.action for row in TASK.transitions if row.feedback} == {"reject_design", "reject_tests", "reject_story"}


def test_every_story_state_is_reachable() -> None:
    seen, queue = {"draft"}, deque(["draft"])
    while queue:
        for row in STORY.leaving(queue.popleft()):
            if row.target not in seen:
                seen.add(row.target)
                queue.append(row.target)
    assert seen == set(STORY.states)
    assert len(STORY.states) == 13
    assert len(TASK.states) == 9


PATH = [
    ("draft", "submit", MASON),
    ("po_review", "approve_scope", OWNER),
    ("ready_for_planning", "derive_tasks", SYSTEM),
    ("planned", "commit_to_sprint", OWNER),
    ("ready_for_execution", "start", SYSTEM),
    ("in_progress", "request_review", SYSTEM),
    ("code_review", "pass_review", SYSTEM),
    ("testing", "pass_tests", SYSTEM),
    ("ready_to_review", "accept", OWNER),
    ("accepted", "close", OWNER),
]


@pytest.mark.parametrize(("state", "action", "who"), PATH)
def test_a_story_passes_each_stage_only_when_its_tasks_have(state: str, action: str, who: Who) -> None:
    """With its tasks done each step is open; with a fresh task the steps of execution are closed, with a reason."""
    ready = StoryFacts(state, dor_score=100, tasks=(TaskLine("A-1.1", "done", merged=True),))
    assert refusals(STORY, action, ready, who, Given()) == []
    fresh = replace(ready, tasks=(*ready.tasks, TaskLine("A-1.2", "todo")), dor_score=79)
    against = refusals(STORY, action, fresh, who, Given())
    waits = state not in ("draft", "po_review", "planned")
    assert bool(against) is waits
    if waits:
        assert against[0].kind is RefusalKind.RULE


def test_close_needs_the_receipt_of_every_merge() -> None:
    facts = StoryFacts("accepted", tasks=(TaskLine("A-1.1", "done", merged=True), TaskLine("A-1.2", "done")))
    assert "A-1.2" in refusals(STORY, "close", facts, OWNER, Given())[0].reason


def test_a_rejection_names_tasks_of_its_story() -> None:
    facts = StoryFacts("ready_to_review", tasks=(TaskLine("A-1.1", "done"), TaskLine("A-1.2", "cancelled")))
    assert refusals(STORY, "reject_result", facts, OWNER, Given(feedback=SAID))[0].field == "tasks"
    assert refusals(STORY, "reject_result", facts, OWNER, Given(feedback=SAID, reopened=("B-9.1",)))
    assert refusals(STORY, "reject_result", facts, OWNER, Given(feedback=SAID, reopened=("A-1.2",)))
    assert refusals(STORY, "reject_result", facts, OWNER, Given(feedback=SAID, reopened=("A-1.1",))) == []
    assert refusals(STORY, "reject_result", facts, OWNER, Given(feedback=SAID, added=1)) == []


def test_a_cycle_is_named() -> None:
    facts = StoryFacts("ready_for_planning", dor_score=90, tasks=(TaskLine("1", "todo"),), cycle=("1", "3", "2"))
    assert "1 -> 3 -> 2 -> 1" in refusals(STORY, "derive_tasks", facts, SYSTEM, Given())[0].reason


@pytest.mark.parametrize(
    ("commit", "word"),
    [
        (None, "Name the commit"),
        (CommitEvidence("c2", "red"), "CI"),
        (CommitEvidence("c2", "none"), "CI"),
        (CommitEvidence("c1", "green"), "handed in before"),
        (CommitEvidence("c2", "green", newer=False), "not newer"),
    ],
)
def test_a_revision_needs_a_new_green_commit(commit: CommitEvidence | None, word: str) -> None:
    facts = TaskFacts(
        state="implementing",
        implementer=MASON.ref,
        holder=MASON.ref,
        lease_live=True,
        rejected_sha="c1",
        earlier_shas=frozenset({"c1"}),
    )
    assert word in refusals(TASK, "revise_code", facts, MASON, Given(commit=commit))[0].reason
    assert refusals(TASK, "revise_code", facts, MASON, Given(commit=CommitEvidence("c2", "green"))) == []
    assert (
        "revision" in refusals(TASK, "commit_code", facts, MASON, Given(commit=CommitEvidence("c2", "green")))[0].reason
    )


@pytest.mark.parametrize(
    "report",
    [None, TestReport("other", 3), TestReport("c1", 0), TestReport("c1", 3, failed=1), TestReport("c1", 3, errors=1)],
)
def test_tests_pass_only_with_a_passing_report_for_this_commit(report: TestReport | None) -> None:
    facts = TaskFacts("qa_testing", tester=TESTER.ref, holder=TESTER.ref, lease_live=True, commit_sha="c1")
    assert refusals(TASK, "approve_tests", facts, TESTER, Given(report=report))[0].field == "report"
    assert refusals(TASK, "approve_tests", facts, TESTER, Given(report=TestReport("c1", 3))) == []


def test_stopping_a_story_frees_its_tasks_and_keeps_what_is_done() -> None:
    for world in explored()[0].values():
        facts = stopped(world.facts)
        assert not facts.holder
        assert not facts.approved or facts.state == "done"
        assert (facts.state == world.facts.state) or facts.state in ("todo", "pending_arch_review", "pending_qa")


def test_offers_say_what_is_needed_and_why_not() -> None:
    offers = {offer.action: offer for offer in allowed_actions(TASK, TaskFacts("todo", waits_for=("A-1.1",)), MASON)}
    assert offers.keys() == {"claim_task", "discard_task"}
    assert offers["claim_task"].reasons == ("It waits for A-1.1.",)
    assert offers["discard_task"].reasons == ("“Discard” is for a product owner.",)
    review = {offer.action: offer for offer in allowed_actions(STORY, StoryFacts("po_review"), OWNER)}
    assert review["reject_scope"].needs == ("feedback",)
    assert review["approve_scope"].allowed


def test_documents_show_every_row() -> None:
    for machine in (STORY, TASK):
        table, drawing = markdown_table(machine), diagram(machine)
        assert table.count("\n") == len(machine.transitions) + 2
        arrows = re.findall(r"^    (\w+) --> (\w+) : (\w+)$", drawing, re.MULTILINE)
        assert len(arrows) == sum(len(row.sources) for row in machine.transitions)
