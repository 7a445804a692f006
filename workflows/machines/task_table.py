"""The 9 states of a task and who moves it (spec W3, RBAC level 2), as data."""

from workflows.machines.core import Guard, Machine, RefusalKind, Transition
from workflows.machines.facts import APPROVER, IMPLEMENTER, REVIEWER, TESTER, Given, TaskFacts, Who
from workflows.machines.story_table import EXECUTING
from workflows.machines.story_table import STATES as STORY_STATES

STATES = {
    "todo": "To do",
    "implementing": "Implementing",
    "pending_arch_review": "Waiting for review",
    "arch_reviewing": "In review",
    "pending_qa": "Waiting for testing",
    "qa_testing": "In testing",
    "pending_po_approval": "Waiting for approval",
    "done": "Done",
    "cancelled": "Cancelled",
}
UNCLAIMED = {"implementing": "todo", "arch_reviewing": "pending_arch_review", "qa_testing": "pending_qa"}
"""Claimed states, and where a release leads from each."""

CLAIMING = ("ready_for_execution", "in_progress")
_DID = {IMPLEMENTER: "implemented", REVIEWER: "reviewed", TESTER: "tested", APPROVER: "approved"}
_DOES = {IMPLEMENTER: "implements", REVIEWER: "reviews", TESTER: "tests", APPROVER: "approves"}


def _apart(part: str) -> Guard[TaskFacts]:
    """Whoever has had one part in a task never has another, human or agent."""

    def check(facts: TaskFacts, who: Who, given: Given) -> str | None:
        had = facts.parts.get(who.ref, part)
        if had == part:
            return None
        return f"You {_DID[had]} this task, so somebody else {_DOES[part]} it."

    others = " or ".join(_DID[other] for other in _DID if other != part)
    return Guard(f"apart_{part}", f"never {others} this task", check, RefusalKind.WHO)


def _dependencies(facts: TaskFacts, who: Who, given: Given) -> str | None:
    return f"It waits for {', '.join(facts.waits_for)}." if facts.waits_for else None


def _story_in(*states: str) -> Guard[TaskFacts]:
    def check(facts: TaskFacts, who: Who, given: Given) -> str | None:
        if facts.story_state in states:
            return None
        wanted = "”, “".join(STORY_STATES[state] for state in states)
        return f"Its story is in “{STORY_STATES[facts.story_state]}”; this needs it in “{wanted}”."

    return Guard("story_in", f"story in {' or '.join(states)}", check)


def _exclusive(facts: TaskFacts, who: Who, given: Given) -> str | None:
    return "Somebody else holds the claim." if facts.holder else None


def _claim_lives(facts: TaskFacts, who: Who, given: Given) -> str | None:
    if facts.holder != who.ref:
        return "You do not hold the claim on it."
    return None if facts.lease_live else "Your claim has run out; claim it again."


def _lease_over(facts: TaskFacts, who: Who, given: Given) -> str | None:
    if who.kind == "system" and facts.lease_live:
        return "The claim has not run out yet."
    return None


def _first_round(facts: TaskFacts, who: Who, given: Given) -> str | None:
    return "It was rejected before: hand in a revision." if facts.rejected_sha else None


def _after_rejection(facts: TaskFacts, who: Who, given: Given) -> str | None:
    return None if facts.rejected_sha else "Nothing was rejected: hand in a first commit."


def _green(facts: TaskFacts, who: Who, given: Given) -> str | None:
    if given.commit is None or not given.commit.sha:
        return "Name the commit that implements it."
    if given.commit.ci != "green":
        return f"CI on {given.commit.sha[:12]} is {given.commit.ci}, not green."
    return None


def _new_sha(facts: TaskFacts, who: Who, given: Given) -> str | None:
    if given.commit and given.commit.sha in facts.earlier_shas | {facts.commit_sha, facts.rejected_sha}:
        return f"{given.commit.sha[:12]} was handed in before; a new commit is needed."
    return None


def _newer(facts: TaskFacts, who: Who, given: Given) -> str | None:
    if given.commit and not given.commit.newer:
        return f"{given.commit.sha[:12]} is not newer than the rejected {facts.rejected_sha[:12]}."
    return None


def _report(facts: TaskFacts, who: Who, given: Given) -> str | None:
    report = given.report
    if report is None:
        return "Attach the test report."
    if report.commit_sha != facts.commit_sha:
        return f"The test report is for {report.commit_sha[:12] or 'no commit'}, not for {facts.commit_sha[:12]}."
    if report.failed or report.errors or report.passed < 1:
        return f"The test report does not pass: {report.passed} passed, {report.failed} failed, {report.errors} errors."
    return None


def _approved(facts: TaskFacts, who: Who, given: Given) -> str | None:
    return None if facts.approved else "The approval bound to its commit has not been given."


def _merged(facts: TaskFacts, who: Who, given: Given) -> str | None:
    if given.receipt is None or not given.receipt.merged_sha:
        return "The receipt of the merge is missing."
    if given.receipt.commit_sha != facts.commit_sha:
        return f"The receipt is for {given.receipt.commit_sha[:12]}, the approved commit is {facts.commit_sha[:12]}."
    return None


def _not_merging(facts: TaskFacts, who: Who, given: Given) -> str | None:
    return "It is approved and being merged." if facts.approved else None


APART = {part: _apart(part) for part in _DID}
IN_CLAIMING, IN_EXECUTION = _story_in(*CLAIMING), _story_in(*EXECUTING)
DEPENDENCIES = Guard("dependencies", "dependencies done, stories that its story needs accepted", _dependencies)
EXCLUSIVE = Guard("exclusive", "nobody holds the claim", _exclusive)
CLAIM_LIVES = Guard("claim_lives", "holds the claim", _claim_lives, RefusalKind.RULE)
LEASE_OVER = Guard("lease_over", "the platform only when the lease has ended", _lease_over)
FIRST_ROUND = Guard("first_round", "not after a rejection", _first_round)
AFTER_REJECTION = Guard("after_rejection", "after a rejection", _after_rejection)
GREEN = Guard("green", "CI green", _green, RefusalKind.INPUT, "commit")
NEW_SHA = Guard("new_sha", "new commit sha", _new_sha, RefusalKind.INPUT, "commit")
NEWER = Guard("newer", "a commit newer than the rejected one", _newer, RefusalKind.INPUT, "commit")
REPORT = Guard("report", "test report attached and passing", _report, RefusalKind.INPUT, "report")
APPROVED = Guard("approved", "the approval bound to the commit is given", _approved)
MERGED = Guard("merged", "merge receipt", _merged, RefusalKind.INPUT, "receipt")
NOT_MERGING = Guard("not_merging", "not approved and being merged", _not_merging)

Row = Transition[TaskFacts]
WORK = (CLAIM_LIVES, IN_EXECUTION)
WAKES = "wakes the implementer with the feedback"


def _route(to: str) -> str:
    return f"auto_route_to_{to}"


TASK: Machine[TaskFacts] = Machine(
    name="task",
    initial="todo",
    states=STATES,
    terminal=frozenset({"done", "cancelled"}),
    transitions=(
        Row(
            "claim_task",
            "Claim",
            ("todo",),
            "implementing",
            ("developer", "devops", "data"),
            guards=(APART[IMPLEMENTER], EXCLUSIVE, DEPENDENCIES, IN_CLAIMING),
        ),
        Row(
            "commit_code",
            "Hand in the commit",
            ("implementing",),
            "pending_arch_review",
            (IMPLEMENTER,),
            guards=(*WORK, FIRST_ROUND, GREEN, NEW_SHA),
            effect=_route("architect"),
        ),
        Row(
            "revise_code",
            "Hand in the revision",
            ("implementing",),
            "pending_arch_review",
            (IMPLEMENTER,),
            guards=(*WORK, AFTER_REJECTION, GREEN, NEW_SHA, NEWER),
            effect=_route("architect"),
        ),
        Row(
            "claim_review",
            "Claim the review",
            ("pending_arch_review",),
            "arch_reviewing",
            ("architect",),
            guards=(APART[REVIEWER], EXCLUSIVE, IN_EXECUTION),
        ),
        Row(
            "approve_design",
            "Approve the design",
            ("arch_reviewing",),
            "pending_qa",
            (REVIEWER,),
            guards=(APART[REVIEWER], *WORK),
            effect=_route("qa"),
        ),
        Row(
            "reject_design",
            "Reject the design",
            ("arch_reviewing",),
            "implementing",
            (REVIEWER,),
            feedback=True,
            guards=(APART[REVIEWER], *WORK),
            effect=WAKES,
        ),
        Row(
            "claim_testing",
            "Claim the testing",
            ("pending_qa",),
            "qa_testing",
            ("qa",),
            guards=(APART[TESTER], EXCLUSIVE, IN_EXECUTION),
        ),
        Row(
            "approve_tests",
            "Pass the tests",
            ("qa_testing",),
            "pending_po_approval",
            (TESTER,),
            guards=(APART[TESTER], *WORK, REPORT),
            effect=_route("product_owner"),
        ),
        Row(
            "reject_tests",
            "Fail the tests",
            ("qa_testing",),
            "implementing",
            (TESTER,),
            feedback=True,
            guards=(APART[TESTER], *WORK),
            effect=WAKES,
        ),
        Row(
            "approve_story",
            "Approve",
            ("pending_po_approval",),
            "done",
            ("product_owner",),
            guards=(APART[APPROVER], APPROVED, MERGED),
            decided_by="approval",
        ),
        Row(
            "reject_story",
            "Reject",
            ("pending_po_approval",),
            "implementing",
            ("product_owner",),
            feedback=True,
            guards=(APART[APPROVER], IN_EXECUTION, NOT_MERGING),
            effect=WAKES,
        ),
        *(
            Row("release", "Release", (source,), target, ("claimant", "system"), guards=(LEASE_OVER,))
            for source, target in UNCLAIMED.items()
        ),
        Row(
            "discard_task",
            "Discard",
            tuple(state for state in STATES if state not in ("done", "cancelled")),
            "cancelled",
            ("product_owner",),
            guards=(NOT_MERGING,),
        ),
    ),
)
