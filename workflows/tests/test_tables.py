"""What the two tables allow row by row, and what is said when they do not."""

import re
from collections import deque
from dataclasses import replace

import pytest

from workflows.machines import (
    FEEDBACK_MIN,
    STORY,
    TASK,
    CommitEvidence,
    Given,
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

pytestmark = pytest.mark.unit

BUILDER = frozenset({"admin", "product_owner", "architect", "developer", "qa", "devops", "data"})
MASON = Who("agent:mason", "agent", frozenset({"developer"}))
ROGUE = Who("agent:rogue", "agent", BUILDER)
TESTER = Who("person:qa", "person", frozenset({"qa", "product_owner"}))
OWNER = Who("person:owner", "person", frozenset({"product_owner"}))
SYSTEM = Who("system:leases", "system", frozenset({"system"}))
SAID = "This is not what was asked for."


def test_nothing_leads_out_of_a_terminal_state() -> None:
    for machine in (STORY, TASK):
        assert {state for state in machine.states if not machine.leaving(state)} == machine.terminal


def test_an_agent_gains_nothing_from_roles_that_agents_cannot_hold() -> None:
    facts = TaskFacts(state="todo")
    assert refusals(TASK, "discard_task", facts, ROGUE, Given())
    assert refusals(STORY, "accept", StoryFacts("ready_to_review", tasks=(TaskLine("A-1.1", "done"),)), ROGUE, Given())


def test_feedback_is_asked_for_wherever_the_table_says_so() -> None:
    assert FEEDBACK_MIN == 10
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
