"""From a decided approval to a merged task: marked approved, merged elsewhere, completed with the receipt."""

from dataclasses import dataclass

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied
from workflows.actions.common import refuse, save, shown
from workflows.actions.task_acts import apply_act, lock_task, validation_event
from workflows.events import TaskApproved
from workflows.machines import APPROVER, EXECUTING, TASK, Given, MergeReceipt, Who, refusals
from workflows.machines.task_effects import approved_by
from workflows.models import Story, Task, TaskPart
from workflows.ports import judge_commit
from workflows.selectors.facts import task_facts


@dataclass(frozen=True, slots=True)
class Approved:
    """Whose yes an approval has, and which one it is; all as references, `name` as it is shown."""

    approver: str
    name: str
    approval: str


class _Known(Exception):
    """Somebody else handed the same receipt in meanwhile."""


def mark_approved(*, actor: Actor, task: Task, approver: Actor, commit_sha: str, approval: str) -> Task:
    """Note that the approval bound to `commit_sha` was given: "approved, not executed" until it is merged.

    Asked again with the same approver and commit it changes nothing. Raises `Conflict` when the task does not wait for
    this commit's approval or its story was stopped, `Denied` when the approver had another part in it.
    """
    current = Task.objects.select_related("story").get(pk=task.pk)
    if current.approver == approver.ref and current.commit_sha == commit_sha:
        return current
    return _mark(
        actor=actor, story=current.story, task=current, approver=approver, commit_sha=commit_sha, approval=approval
    )


@governed("task.mark_approved", lock="story")
def _mark(*, actor: Actor, story: Story, task: Task, approver: Actor, commit_sha: str, approval: str) -> Task:
    row = lock_task(story, task)
    if row.state != "pending_po_approval" or row.commit_sha != commit_sha or row.approver:
        raise Conflict(f"{row.reference} does not wait for an approval of {commit_sha[:12]}.")
    if story.state not in EXECUTING:
        raise Conflict(f"{story.reference} was stopped: nothing follows from an approval of {row.reference}.")
    who = Who(approver.ref, str(approver.kind), approver.roles)
    facts = approved_by(task_facts(row), who)
    had = task_facts(row).parts.get(who.ref, APPROVER)
    if had != APPROVER:
        raise Denied(f"{approver.name} was the {had} of {row.reference}, so somebody else approves it.")
    probe = Given(receipt=MergeReceipt(commit_sha, commit_sha))
    refuse(refusals(TASK, "approve_story", facts, who, probe))
    _note(row, Approved(who.ref, shown(approver), approval), actor)
    return row


def _note(task: Task, given: Approved, actor: Actor) -> None:
    names = {"actor_name": given.name, "part": APPROVER}
    TaskPart.objects.get_or_create(task=task, actor=given.approver, defaults=names)
    task.approver = given.approver
    save(task, "approver")
    event = TaskApproved(
        subject=task.ref,
        story=task.story.reference,
        task=task.reference,
        approver=given.approver,
        commit_sha=task.commit_sha,
        approval=given.approval,
    )
    record(event, actor=actor)


def complete_task(*, actor: Actor, task: Task, receipt: MergeReceipt, approved: Approved | None = None) -> Task:
    """Move an approved task to done with the receipt of its merge; the same receipt again changes nothing.

    `approved` is what the merge was carried out under: it counts where that is not noted yet, or was taken back when
    the story was stopped with the merge on its way. Raises `Invalid` for a receipt of another commit, `Conflict` when
    the task is not approved.
    """
    current = Task.objects.select_related("story").get(pk=task.pk)
    if current.state == "done" and current.merged_sha == receipt.merged_sha:
        return current
    try:
        return _complete(actor=actor, story=current.story, task=current, receipt=receipt, approved=approved)
    except _Known:
        return Task.objects.select_related("story").get(pk=task.pk)


@governed("task.complete", lock="story")
def _complete(*, actor: Actor, story: Story, task: Task, receipt: MergeReceipt, approved: Approved | None) -> Task:
    row = lock_task(story, task)
    if row.state == "done" and row.merged_sha == receipt.merged_sha:
        raise _Known
    if approved is not None and row.state == "pending_po_approval" and not row.approver:
        _note(row, approved, actor)
    # The approver's role was judged when the approval was decided; here it stands for the act it was.
    who = Who(row.approver, "person", frozenset({"product_owner"}))
    return apply_act("approve_story", row, actor, who, Given(receipt=receipt))


def request_validation(*, actor: Actor, task: Task) -> Task:
    """Ask for the approval of a waiting task's commit again, after the last one lapsed. Raises `Conflict`."""
    return _request(actor=actor, story=task.story, task=task)


@governed("task.request_validation", lock="story")
def _request(*, actor: Actor, story: Story, task: Task) -> Task:
    row = lock_task(story, task)
    if row.state != "pending_po_approval" or row.approver:
        raise Conflict(f"{row.reference} does not wait for an approval.")
    record(validation_event(row), actor=actor)
    return row


def ask_again(*, actor: Actor, task: Task) -> Task:
    """Ask anew for the approval of a waiting task's commit: the one that was given was taken back or does not cover it.

    Raises `Conflict` when the task does not wait for approval.
    """
    return _ask_again(actor=actor, story=task.story, task=task)


@governed("task.ask_again", lock="story")
def _ask_again(*, actor: Actor, story: Story, task: Task) -> Task:
    row = lock_task(story, task)
    if row.state != "pending_po_approval":
        raise Conflict(f"{row.reference} does not wait for an approval.")
    before, row.approver = row.approver, ""
    save(row, "approver")
    record(validation_event(row), actor=actor, before={"approver": before}, after={"approver": ""})
    return row


def rebind_task(*, actor: Actor, task: Task, commit_sha: str) -> Task:
    """Put a rebased commit in the place of the one that waits for approval, and ask anew: the base had moved.

    Raises `Conflict` when the task does not wait for approval, CI on the commit is not green, or it is not new.
    """
    return _rebind(actor=actor, story=task.story, task=task, commit_sha=commit_sha)


@governed("task.rebind", lock="story")
def _rebind(*, actor: Actor, story: Story, task: Task, commit_sha: str) -> Task:
    row = lock_task(story, task)
    if row.state != "pending_po_approval":
        raise Conflict(f"{row.reference} does not wait for an approval.")
    if commit_sha in row.handed_in or not commit_sha:
        raise Conflict(f"{commit_sha[:12]} was handed in before.")
    if judge_commit(row.reference, commit_sha, row.rejected_sha).ci != "green":
        raise Conflict(f"CI on {commit_sha[:12]} is not green.")
    before = row.commit_sha
    row.commit_sha, row.approver = commit_sha, ""
    row.handed_in = [*row.handed_in, commit_sha]
    save(row, "commit_sha", "approver", "handed_in")
    record(validation_event(row), actor=actor, before={"commit_sha": before}, after={"commit_sha": commit_sha})
    return row
