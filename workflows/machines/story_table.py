"""The 13 states of a story and who moves it (spec W2), as data."""

from workflows.machines.core import Guard, Machine, RefusalKind, Transition, either
from workflows.machines.facts import Given, StoryFacts, Who

READY_SCORE = 80
"""Points of the Definition of Ready that planning asks for."""

REVIEWED = frozenset({"pending_qa", "qa_testing", "pending_po_approval", "done"})
TESTED = frozenset({"pending_po_approval", "done"})
EXECUTING = ("ready_for_execution", "in_progress", "code_review", "testing", "ready_to_review")
"""States in which work on a story's tasks goes on."""

STATES = {
    "draft": "Draft",
    "po_review": "Scope review",
    "ready_for_planning": "Ready for planning",
    "planned": "Planned",
    "ready_for_execution": "Ready for execution",
    "in_progress": "In progress",
    "code_review": "Code review",
    "testing": "Testing",
    "ready_to_review": "Ready to review",
    "accepted": "Accepted",
    "carry_over": "Carried over",
    "done": "Done",
    "archived": "Archived",
}
SCOPE_MAKERS = ("developer", "architect", "qa", "devops", "data", "product_owner", "admin")
STOPS_WORK = "stops runs, releases claims, voids open approvals, settles money; merged tasks stay done"
RETIRES = "cancels the tasks of an earlier plan for which nothing was handed in, in the same transaction"
REOPENS = "reopens the named tasks or adds new ones in the same transaction"


def _ready(facts: StoryFacts, who: Who, given: Given) -> str | None:
    if facts.dor_score >= READY_SCORE:
        return None
    return f"The Definition of Ready is at {facts.dor_score} of 100; planning needs {READY_SCORE}."


def _has_tasks(facts: StoryFacts, who: Who, given: Given) -> str | None:
    return None if facts.live or given.added else "A plan needs at least one task."


def _no_cycle(facts: StoryFacts, who: Who, given: Given) -> str | None:
    if not facts.cycle:
        return None
    return f"Tasks wait for each other in a circle: {' -> '.join([*facts.cycle, facts.cycle[0]])}."


def _affordable(facts: StoryFacts, who: Who, given: Given) -> str | None:
    return facts.budget_refusal or None


def _claimed(facts: StoryFacts, who: Who, given: Given) -> str | None:
    states = {task.state for task in facts.live}
    begun = states - {"todo", "done"} or (states and "todo" not in states)
    return None if begun else "No task has been claimed yet."


def _all_in(facts: StoryFacts, wanted: frozenset[str], said: str) -> str | None:
    if not facts.live:
        return "Every task of this story is cancelled."
    waiting = [task.ref for task in facts.live if task.state not in wanted]
    return f"Not yet {said}: {', '.join(waiting)}." if waiting else None


def _implemented(facts: StoryFacts, who: Who, given: Given) -> str | None:
    return _all_in(facts, frozenset({"pending_arch_review", "arch_reviewing"}) | REVIEWED, "implemented")


def _reviewed(facts: StoryFacts, who: Who, given: Given) -> str | None:
    return _all_in(facts, REVIEWED, "through review")


def _tested(facts: StoryFacts, who: Who, given: Given) -> str | None:
    return _all_in(facts, TESTED, "through testing")


def _all_done(facts: StoryFacts, who: Who, given: Given) -> str | None:
    return _all_in(facts, frozenset({"done"}), "merged")


def _receipt(facts: StoryFacts, who: Who, given: Given) -> str | None:
    lacking = [task.ref for task in facts.live if not (task.state == "done" and task.merged)]
    if not facts.live:
        return "There is no outcome receipt: no task of this story was merged."
    return f"The outcome receipt is missing for {', '.join(lacking)}." if lacking else None


def _names_work(facts: StoryFacts, who: Who, given: Given) -> str | None:
    if not given.reopened and not given.added:
        return "Name at least one task to reopen, or add one."
    reopenable = [task.ref for task in facts.live]
    strange = [ref for ref in given.reopened if ref not in reopenable]
    if not strange:
        return None
    choice = f"choose from {either(reopenable)}" if reopenable else "add a task instead"
    return f"Cannot reopen {', '.join(strange)}: not a task of this story, or cancelled; {choice}."


READY = Guard("ready", f"Definition of Ready at least {READY_SCORE}", _ready)
HAS_TASKS = Guard("has_tasks", "at least one task", _has_tasks, RefusalKind.INPUT, "tasks")
NO_CYCLE = Guard("no_cycle", "no dependency cycle", _no_cycle)
AFFORDABLE = Guard("affordable", "its budget can be reserved", _affordable)
CLAIMED = Guard("claimed", "a first task is claimed", _claimed)
IMPLEMENTED = Guard("implemented", "a task is not cancelled, none is in todo or implementing", _implemented)
REVIEWED_ALL = Guard("reviewed", "every task has passed review", _reviewed)
TESTED_ALL = Guard("tested", "every task has passed testing", _tested)
ALL_DONE = Guard("all_done", "every task is done or cancelled, one at least done", _all_done)
RECEIPT = Guard("receipt", "with an outcome receipt", _receipt)
NAMES_WORK = Guard("names_work", "names the tasks it reopens or adds one", _names_work, RefusalKind.INPUT, "tasks")

Row = Transition[StoryFacts]

STORY: Machine[StoryFacts] = Machine(
    name="story",
    initial="draft",
    states=STATES,
    terminal=frozenset({"archived"}),
    transitions=(
        Row("submit", "Submit for scope review", ("draft",), "po_review", SCOPE_MAKERS),
        Row("approve_scope", "Approve the scope", ("po_review",), "ready_for_planning", ("product_owner",)),
        Row("reject_scope", "Send the scope back", ("po_review",), "draft", ("product_owner",), feedback=True),
        Row(
            "derive_tasks",
            "Accept the tasks",
            ("ready_for_planning",),
            "planned",
            ("architect", "planner agent", "system"),
            guards=(READY, HAS_TASKS, NO_CYCLE),
            effect=RETIRES,
        ),
        Row(
            "commit_to_sprint",
            "Commit to the sprint",
            ("planned",),
            "ready_for_execution",
            ("product_owner",),
            guards=(AFFORDABLE,),
        ),
        Row("start", "Start", ("ready_for_execution",), "in_progress", ("system",), guards=(CLAIMED,)),
        Row("request_review", "Ask for review", ("in_progress",), "code_review", ("system",), guards=(IMPLEMENTED,)),
        Row("pass_review", "Pass review", ("code_review",), "testing", ("system", "architect"), guards=(REVIEWED_ALL,)),
        Row(
            "reject_code",
            "Reject the code",
            ("code_review",),
            "in_progress",
            ("system", "architect"),
            guards=(NAMES_WORK,),
            effect=REOPENS,
        ),
        Row("pass_tests", "Pass testing", ("testing",), "ready_to_review", ("system", "qa"), guards=(TESTED_ALL,)),
        Row(
            "fail_tests",
            "Fail testing",
            ("testing",),
            "in_progress",
            ("system", "qa"),
            guards=(NAMES_WORK,),
            effect=REOPENS,
        ),
        Row("accept", "Accept the result", ("ready_to_review",), "accepted", ("product_owner",), guards=(ALL_DONE,)),
        Row(
            "reject_result",
            "Reject the result",
            ("ready_to_review",),
            "in_progress",
            ("product_owner",),
            feedback=True,
            guards=(NAMES_WORK,),
            effect=REOPENS,
        ),
        Row("close", "Close", ("accepted",), "done", ("product_owner", "system"), guards=(RECEIPT,)),
        Row("archive", "Archive", ("done",), "archived", ("product_owner", "admin")),
        Row("carry_over", "Carry over", EXECUTING, "carry_over", ("system", "product_owner"), effect=STOPS_WORK),
        Row("re_estimate", "Estimate anew", ("carry_over",), "draft", ("product_owner",)),
        Row(
            "continue",
            "Continue",
            ("carry_over",),
            "ready_for_execution",
            ("product_owner",),
            guards=(AFFORDABLE,),
        ),
        Row("drop", "Drop", ("carry_over",), "archived", ("product_owner",), effect=STOPS_WORK),
        Row(
            "reset",
            "Reset to draft",
            tuple(state for state in STATES if state not in ("draft", "done", "archived")),
            "draft",
            ("product_owner",),
            feedback=True,
            effect=STOPS_WORK,
        ),
    ),
)
