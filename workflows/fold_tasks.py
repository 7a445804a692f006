"""A task as its events tell it: everything of its row that acts decide, from what was said of it."""

from dataclasses import dataclass, replace

from workflows.events import TaskApproved, TaskAssigned, TaskTransitioned, TaskTransitionedV2, ValidationRequired
from workflows.machines import APPROVER, REVIEWER, TASK, TESTER, UNCLAIMED

TaskEvent = TaskTransitioned | TaskAssigned | TaskApproved | ValidationRequired
HANDING_IN = frozenset(row.action for row in TASK.transitions if "commit" in row.needs)
SENDING_BACK = frozenset(row.action for row in TASK.transitions if row.feedback) | {"reopen"}
GIVEN_UP_BY = {"arch_reviewing": REVIEWER, "qa_testing": TESTER}
"""Whose part ends with the claim, where the state is left without a judgement."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """Parts are plain references, "" for nobody; `parts` says who has ever had which.

    `merged_sha` None is not told: events of the first version do not name it.
    """

    state: str
    holder: str = ""
    implementer: str = ""
    reviewer: str = ""
    tester: str = ""
    approver: str = ""
    commit_sha: str = ""
    rejected_sha: str = ""
    merged_sha: str | None = ""
    handed_in: tuple[str, ...] = ()
    claim_token: int = 0
    feedback: str = ""
    parts: frozenset[tuple[str, str]] = frozenset()


def after(task: TaskState, event: TaskEvent) -> TaskState:
    """The task once `event` has happened to it."""
    if isinstance(event, TaskAssigned):
        return _assigned(task, event)
    if isinstance(event, TaskApproved):
        parts = task.parts | {(event.approver, APPROVER)}
        return replace(task, approver=event.approver, parts=parts)
    if isinstance(event, ValidationRequired):
        handed_in = _handed_in(task, event.commit_sha)
        return replace(task, commit_sha=event.commit_sha, approver="", handed_in=handed_in)
    return _moved(task, event)


def _assigned(task: TaskState, event: TaskAssigned) -> TaskState:
    return replace(
        task,
        holder=event.assignee,
        reviewer=event.assignee if event.part == REVIEWER else task.reviewer,
        tester=event.assignee if event.part == TESTER else task.tester,
        claim_token=event.claim_token,
        parts=task.parts | {(event.assignee, event.part)},
    )


def _moved(task: TaskState, event: TaskTransitioned) -> TaskState:
    """Every move lets the claim go; where one follows, an event of its own says whose."""
    ended = _ended(event)
    following = replace(
        task,
        state=event.to_state,
        holder="",
        claim_token=task.claim_token + bool(task.holder),
        implementer=event.implementer,
        reviewer="" if REVIEWER in ended else task.reviewer,
        tester="" if TESTER in ended else task.tester,
        approver=task.approver if event.to_state == "done" else "",
        commit_sha=event.commit_sha,
        rejected_sha=event.rejected_sha,
        merged_sha=_merged(event),
    )
    if event.action in HANDING_IN:
        return replace(following, feedback="", handed_in=_handed_in(task, event.commit_sha))
    return replace(following, feedback=event.feedback) if event.action in SENDING_BACK else following


def _ended(event: TaskTransitioned) -> set[str]:
    """The judges' parts that are over with this move."""
    if event.action in HANDING_IN:
        return {REVIEWER, TESTER}
    part = GIVEN_UP_BY.get(event.from_state)
    left = part is not None and event.to_state in (UNCLAIMED[event.from_state], "cancelled")
    return {part} if part and left else set()


def _merged(event: TaskTransitioned) -> str | None:
    if isinstance(event, TaskTransitionedV2):
        return event.merged_sha
    return None if event.to_state == "done" else ""


def _handed_in(task: TaskState, sha: str) -> tuple[str, ...]:
    return task.handed_in if sha in task.handed_in else (*task.handed_in, sha)
