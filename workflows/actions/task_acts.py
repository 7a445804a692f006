"""Every row of the task table as an action. The story's row is the lock: acts on its tasks happen one by one."""

from collections.abc import Callable
from typing import Any

from django.db.models.functions import Now

from governance.actions.starters import note_starter
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, NotFound
from guildhall.kernel.versions import check_version
from workflows.actions.common import lease_for, named, refuse, save, shown, unknown_action
from workflows.actions.progress import note_progress
from workflows.actions.tasks_of import (
    CLAIM_COLUMNS,
    OUTCOME_COLUMNS,
    assigned_event,
    moved_event,
    write_facts,
)
from workflows.events import ClaimRenewed, TaskRouted, ValidationRequired
from workflows.machines import TASK, Given, TaskFacts, TestReport, Who, refusals
from workflows.machines.task_effects import after
from workflows.models import Story, Task, TaskPart
from workflows.ports import judge_commit
from workflows.selectors.facts import task_facts, who_is

ROUTES = {
    "commit_code": ("auto_route_to_architect", "architect"),
    "revise_code": ("auto_route_to_architect", "architect"),
    "approve_design": ("auto_route_to_qa", "qa"),
    "approve_tests": ("auto_route_to_product_owner", "product_owner"),
}
CLAIMS = {"claim_task": "implementer", "claim_review": "reviewer", "claim_testing": "tester"}
REJECTIONS = ("reject_design", "reject_tests", "reject_story")
HANDING_IN = ("commit_code", "revise_code")
WRITTEN = ("state", "feedback", "test_report", "merged_sha", *CLAIM_COLUMNS, *OUTCOME_COLUMNS)
AUDITED = ("state", "holder", "implementer", "reviewer", "tester", "approver", "commit_sha", "rejected_sha")

Act = Callable[..., Task]


def transition_task(
    *,
    actor: Actor,
    task: Task,
    name: str,
    feedback: str = "",
    version: int | None = None,
    commit_sha: str = "",
    report: TestReport | None = None,
    claim_token: int | None = None,
) -> Task:
    """Do the table's act `name` on `task`.

    `commit_sha` is for handing in, `report` for approve_tests; `claim_token`, where given, must be the claim's own (a
    fence against an earlier holder of the same name). Raises `Invalid` (unknown act, feedback, commit, report: with
    fields), `Denied` (not this actor's to do, or it had another part in the task), `Conflict` (state, claim, rule) and
    `Stale`.
    """
    act = TASK_ACTS.get(name)
    if act is None:
        raise unknown_action("task", name, TASK.actions)
    return act(
        actor=actor,
        story=task.story,
        task=task,
        feedback=feedback,
        version=version,
        commit_sha=commit_sha,
        report=report,
        claim_token=claim_token,
    )


def lock_task(story: Story, task: Task) -> Task:
    """The task's committed row, locked after its story's. Raises `NotFound` when it is gone."""
    row = Task.objects.select_for_update(of=("self",)).filter(pk=task.pk, story=story).first()
    if row is None:
        raise NotFound("There is no such task.")
    row.story = story
    return row


def _define(name: str) -> Act:
    @governed(f"task.{name}", lock="story")
    def act(
        *,
        actor: Actor,
        story: Story,
        task: Task,
        feedback: str,
        version: int | None,
        commit_sha: str,
        report: TestReport | None,
        claim_token: int | None,
    ) -> Task:
        row = lock_task(story, task)
        check_version(row, version)
        if claim_token is not None and (claim_token != row.claim_token or row.holder != actor.ref):
            raise Conflict(f"The claim on {row.reference} is not this one any more.")
        if TASK.row(row.state, name) is not None and name == "approve_story":
            raise Conflict(f"{row.reference} is approved by deciding its approval, which is bound to its commit.")
        given = _given(name, row, feedback, commit_sha, report)
        note_starter(actor=actor, subject=row.ref)
        return apply_act(name, row, actor, who_is(actor), given)

    return act


def _given(name: str, task: Task, feedback: str, commit_sha: str, report: TestReport | None) -> Given:
    commit = judge_commit(task.reference, commit_sha, task.rejected_sha) if name in HANDING_IN and commit_sha else None
    return Given(feedback=feedback, commit=commit, report=report)


def apply_act(name: str, task: Task, actor: Actor, who: Who, given: Given) -> Task:
    """Check, move, write and record one act on a locked task; the table judges `who`, `actor` is recorded."""
    facts = task_facts(task)
    refuse(refusals(TASK, name, facts, who, given))
    before, audited = task.state, named(task, *AUDITED)
    following = after(name, facts, who, given)
    task.follow(name)
    write_facts(task, following, shown(actor))
    if name in CLAIMS:
        names = {"actor_name": shown(actor), "part": CLAIMS[name]}
        TaskPart.objects.get_or_create(task=task, actor=who.ref, defaults=names)
    if name in REJECTIONS:
        task.feedback, task.holder_name = given.feedback.strip(), _part_name(task)
    if name in HANDING_IN:
        task.feedback, task.test_report = "", None
    if given.report is not None:
        task.test_report = _stored(given.report)
    if given.receipt is not None:
        task.merged_sha = given.receipt.merged_sha
    save(task, *WRITTEN)
    event = moved_event(task, before, name, actor, given.feedback.strip())
    record(event, actor=actor, before=audited, after=named(task, *AUDITED), reason=given.feedback.strip())
    _follow_up(name, task, actor, facts, given)
    note_progress(task.story, name)
    return task


def _part_name(task: Task) -> str:
    part = task.parts.filter(actor=task.holder).first()
    return part.actor_name if part else task.holder


def _stored(report: TestReport) -> dict[str, Any]:
    return {
        "commit_sha": report.commit_sha,
        "passed": report.passed,
        "failed": report.failed,
        "errors": report.errors,
        "summary": report.summary[:4000],
    }


def _follow_up(name: str, task: Task, actor: Actor, facts: TaskFacts, given: Given) -> None:
    """Routing writes a row of its own; a claim and a rejection say who has the task now."""
    if name in ROUTES:
        route, role = ROUTES[name]
        event = TaskRouted(subject=task.ref, story=task.story.reference, task=task.reference, route=route, role=role)
        record(event, actor=actor, step=f"task.{route}")
    if name == "approve_tests":
        record(validation_event(task), actor=actor)
    if name in CLAIMS or name in REJECTIONS:
        record(assigned_event(task, CLAIMS.get(name, "implementer"), given.feedback.strip()), actor=actor)


def validation_event(task: Task) -> ValidationRequired:
    """What asks for the approval of a task's commit; nobody who had a part in it may give it."""
    parts = task.parts.exclude(part="approver").order_by("pk")
    return ValidationRequired(
        subject=task.ref,
        story=task.story.reference,
        task=task.reference,
        title=task.title,
        commit_sha=task.commit_sha,
        risk=task.risk,
        excluded=list(parts.values_list("actor", flat=True)),
    )


TASK_ACTS: dict[str, Act] = {name: _define(name) for name in TASK.actions}


def renew_claim(*, actor: Actor, task: Task, claim_token: int) -> Task:
    """Keep the claim for another lease, also one whose lease is over and that nobody has released.

    Raises `Conflict` when it was released or is another's.
    """
    return _renew(actor=actor, story=task.story, task=task, claim_token=claim_token)


@governed("task.renew_claim", lock="story")
def _renew(*, actor: Actor, story: Story, task: Task, claim_token: int) -> Task:
    row = lock_task(story, task)
    if (row.holder, row.claim_token) != (actor.ref, claim_token):
        raise Conflict(f"The claim on {row.reference} is not this one any more.")
    row.lease_until = Now() + lease_for(actor.ref)
    save(row, "lease_until")
    until = row.lease_until.isoformat() if row.lease_until else ""
    event = ClaimRenewed(subject=row.ref, story=story.reference, task=row.reference, holder=actor.ref, until=until)
    record(event, actor=actor)
    return row


def release_expired_claims(*, actor: Actor) -> int:
    """Release every claim whose lease has ended by the database's clock; how many. `actor` is the platform."""
    count = 0
    for task in Task.objects.filter(lease_until__lte=Now()).select_related("story").order_by("lease_until")[:500]:
        try:
            transition_task(actor=actor, task=task, name="release")
        except Conflict:
            continue  # renewed, handed in or released since it was read
        count += 1
    return count
