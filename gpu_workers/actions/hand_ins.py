"""A person hands in work for the task that they claimed; the platform makes a commit of it and asks CI."""

import hashlib

from django.db.models.functions import Now

from governance.actions.allowances import Limited, take_allowance
from gpu_workers.actions.changes import Proposal, carry, next_number
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.events import ChangeOpened
from gpu_workers.forges.vault import seal
from gpu_workers.hand_in_events import ChangeHandedIn, HandInSettled, HandInWithdrawn
from gpu_workers.models import ChangeRequest, HandIn
from gpu_workers.models.change import ChangeState
from gpu_workers.models.hand_in import HandInState
from gpu_workers.patches import check_branch, check_patch
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid
from workflows.actions.common import lease_for
from workflows.models import Story, Task

CLAIM_GONE = "The claim that it was handed in under has ended."
TAKES_AWAY = frozenset({"admin", "product_owner"})
"""Roles whose members take back what others handed in."""


def propose_change(*, actor: Actor, task: Task, patch: str = "", pushed: str = "") -> HandIn:
    """Hand in a patch, or a branch that was pushed to the task's repository; a job makes the change of it.

    Exactly what is in work or green already is not taken again. Raises `Denied` to everybody but the claimant, `Invalid`
    (with fields), `TooLarge`, `Conflict` and `RateLimited`.
    """
    return _propose(actor=actor, story=task.story, task=task, patch=patch, pushed=pushed)


@governed("change.propose", lock="story")
def _propose(*, actor: Actor, story: Story, task: Task, patch: str, pushed: str) -> HandIn:
    row = _claimed(story, task, live=True)
    if row is None or row.holder != actor.ref or row.implementer != actor.ref:
        raise Denied(f"Only whoever has claimed {task.reference} hands in for it.")
    if bool(patch) == bool(pushed):
        problem = (
            "Give a patch or, where the repository is at GitHub, the name of a branch that you pushed there; not both."
        )
        raise Invalid(problem, fields={"patch": [problem]})
    check_branch(pushed) if pushed else check_patch(patch)
    digest = hashlib.sha256((patch or f"branch {pushed}").encode()).hexdigest()
    _take_back_stale(row, actor)
    _refuse_again(row, actor, digest, again=bool(pushed))
    take_allowance(Limited.CHANGE_REQUESTS)
    made = HandIn.objects.create(
        task=row.reference,
        story=story.ref,
        title=row.title,
        repository=row.repository_name,
        person=actor.ref,
        person_name=actor.name,
        claim_token=row.claim_token,
        patch=seal(patch, sealed_for(digest)) if patch else "",
        pushed=pushed,
        digest=digest,
    )
    # Whoever hands in is at it: the claim is not to run out while CI and the forge judge.
    Task.objects.filter(pk=row.pk).update(lease_until=Now() + lease_for(actor.ref))
    event = ChangeHandedIn(subject=row.ref, hand_in=made.pk, task=row.reference, pushed=pushed, digest=digest)
    record(event, actor=actor)
    return made


def sealed_for(digest: str) -> str:
    """What a patch is sealed for."""
    return f"patch {digest}"


def _take_back_stale(task: Task, actor: Actor) -> None:
    """What is still in work under a claim that has ended stands in the way of nobody who has claimed the task since."""
    waiting = HandIn.objects.select_for_update().filter(task=task.reference, state=HandInState.WAITING)
    if stale := waiting.exclude(person=task.holder, claim_token=task.claim_token).first():
        _take_back(stale, actor)


def _take_back(row: HandIn, actor: Actor) -> None:
    row.withdraw()
    row.reason, row.patch, row.lease_until = f"Taken back by {actor.name}.", "", None
    row.save(update_fields=["state", "reason", "patch", "lease_until"])
    HandIn.objects.filter(pk=row.pk).update(settled_at=Now())
    event = HandInWithdrawn(subject=f"task:{row.task}", hand_in=row.pk, task=row.task, person=row.person)
    record(event, actor=actor)


def may_withdraw(actor: Actor, hand_in: HandIn) -> bool:
    """Whether `actor` is who handed it in, has the task now, or takes claims away."""
    if actor.ref == hand_in.person or actor.roles & TAKES_AWAY:
        return True
    return Task.objects.filter(reference=hand_in.task, holder=actor.ref).exists()


@governed("change.withdraw_hand_in", lock="hand_in")
def withdraw_hand_in(*, actor: Actor, hand_in: HandIn) -> HandIn:
    """Take back what is still in work; whatever is done for it ends within seconds. Raises `Conflict` for a settled one.

    Raises `Denied` to those who may not.
    """
    if not may_withdraw(actor, hand_in):
        raise Denied(f"Hand-in {hand_in.pk} is {hand_in.person_name}'s; who handed it in takes it back, or an admin.")
    if hand_in.state != HandInState.WAITING:
        raise Conflict(f"Hand-in {hand_in.pk} is not in work any more: {hand_in.get_state_display()}.")
    _take_back(hand_in, actor)
    return hand_in


def _refuse_again(task: Task, actor: Actor, digest: str, *, again: bool) -> None:
    """A branch may have moved since, a patch is what it was."""
    known = HandIn.objects.filter(task=task.reference)
    if waiting := known.filter(state=HandInState.WAITING).first():
        raise Conflict(f"Hand-in {waiting.pk} of {task.reference} is still in work.", hand_in=waiting.pk)
    same = known.filter(person=actor.ref, digest=digest, state=HandInState.GREEN)
    if not again and (last := same.exclude(head_sha=task.rejected_sha or "none").first()):
        raise Conflict(f"Exactly this is handed in already, as hand-in {last.pk}.", hand_in=last.pk)


def _claimed(story: Story, task: Task, *, live: bool = False) -> Task | None:
    """The task's row while it is being implemented under a claim (`live`: whose lease is not over); its story's row is locked."""
    held = Task.objects.filter(pk=task.pk, story=story, state="implementing", lease_until__isnull=False)
    held = held.filter(lease_until__gt=Now()) if live else held
    return held.select_related("repository", "story__project").first()


def is_claimed(hand_in: HandIn, story: Story) -> bool:
    """Whether the claim that it was handed in under still stands, as one does whose lease is over until it is released."""
    task = _claimed(story, Task.objects.get(reference=hand_in.task))
    return task is not None and (task.holder, task.claim_token) == (hand_in.person, hand_in.claim_token)


@governed("change.hand_over", lock="story")
def hand_over(*, actor: Actor, story: Story, hand_in: HandIn, fence: int, proposal: Proposal) -> ChangeRequest:
    """Have the task's change consist of the commit that was made of a hand-in. Raises `LeaseLost`, `Conflict`."""
    row = _fenced(hand_in, fence)
    if not is_claimed(row, story):
        raise Conflict(CLAIM_GONE)
    change = ChangeRequest.objects.select_for_update().filter(task=row.task).first()
    if change is None:
        change = ChangeRequest(number=next_number(), task=row.task, story=row.story)
    elif change.state == ChangeState.CLOSED:
        change.reopen()
    elif change.state != ChangeState.OPEN:
        raise Conflict(f"Change {change.number} is {change.state}; it cannot be replaced.")
    change.author, change.run, change.repository = row.person, None, row.repository
    change.title, change.description = row.title, ""
    carry(change, proposal)
    change.save()
    event = ChangeOpened(subject=change.ref, task=row.task, head_sha=change.head_sha, diff_hash=change.diff_hash)
    record(event, actor=actor)
    return change


@governed("change.settle_hand_in", lock="hand_in")
def settle_hand_in(*, actor: Actor, hand_in: HandIn, fence: int, state: HandInState, reason: str = "") -> HandIn:
    """Write down what became of a hand-in; its patch is not needed any more. Raises `LeaseLost`."""
    if hand_in.fence != fence or hand_in.state != HandInState.WAITING:
        raise LeaseLost(f"hand-in {hand_in.pk} is held by another worker or settled")
    {
        HandInState.GREEN: hand_in.pass_ci,
        HandInState.RED: hand_in.fail_ci,
        HandInState.REFUSED: hand_in.refuse,
    }[state]()
    hand_in.reason, hand_in.patch, hand_in.lease_until = reason[:2000], "", None
    hand_in.save(update_fields=["state", "reason", "patch", "lease_until"])
    HandIn.objects.filter(pk=hand_in.pk).update(settled_at=Now())
    event = HandInSettled(
        subject=f"task:{hand_in.task}",
        hand_in=hand_in.pk,
        task=hand_in.task,
        state=state,
        sha=hand_in.head_sha,
        reason=hand_in.reason,
    )
    record(event, actor=actor)
    return hand_in


def _fenced(hand_in: HandIn, fence: int) -> HandIn:
    row = HandIn.objects.select_for_update().filter(pk=hand_in.pk, fence=fence, state=HandInState.WAITING).first()
    if row is None:
        raise LeaseLost(f"hand-in {hand_in.pk} is held by another worker or settled")
    return row
