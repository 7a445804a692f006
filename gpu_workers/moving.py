"""An agent's finished work moves its task or story on, by the same actions that people use."""

from datetime import datetime

from django.db.models.functions import Now

from gpu_workers.events import AgentWorkCompleted
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import RunKind
from gpu_workers.runs.planning import PROPOSED_ONLY
from guildhall.evidence.selectors import done_since
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from workflows.actions import record_proposal, renew_claim, transition_story, transition_task
from workflows.events import TasksProposed
from workflows.machines import TestReport
from workflows.models import Story, Task
from workflows.models.planning import DerivationState
from workflows.planning import DerivationFailed, Derived, TaskDraft


def move_on(done: AgentWorkCompleted, at: datetime) -> None:
    """Carry a verdict, given `at`, into the work it was for. Raises `Conflict` or `Denied` when that has moved already."""
    run = Run.objects.get(number=done.run)
    actor = Agent.objects.get(name=done.agent).actor()
    if done.run_kind == RunKind.PLAN:
        _planned(run, actor, done, at)
        return
    task = Task.objects.select_related("story").get(reference=done.subject.partition(":")[2])
    token = int(done.claim.rpartition(":")[2])
    if Task.objects.filter(pk=task.pk, lease_until__lte=Now()).exists():
        # Nobody kept it since the run ended. Unless it was released it is still the run's.
        renew_claim(actor=actor, task=task, claim_token=token)
    if done.run_kind != RunKind.WORK and done.sha != task.commit_sha:
        raise Conflict(f"{done.sha[:12]} was judged; {task.reference} is at {task.commit_sha[:12] or 'no commit'}.")
    if done.run_kind == RunKind.WORK:
        name = "revise_code" if task.rejected_sha else "commit_code"
        transition_task(actor=actor, task=task, name=name, commit_sha=done.sha, claim_token=token)
    elif done.run_kind == RunKind.REVIEW:
        name = "approve_design" if done.verdict == "approved" else "reject_design"
        transition_task(actor=actor, task=task, name=name, feedback=done.feedback, claim_token=token)
    else:
        name = "approve_tests" if done.verdict == "approved" else "reject_tests"
        report = _report(done) if done.verdict == "approved" else None
        transition_task(actor=actor, task=task, name=name, feedback=done.feedback, report=report, claim_token=token)


def _report(done: AgentWorkCompleted) -> TestReport:
    return TestReport(
        commit_sha=done.sha,
        # A command that passed without naming its tests is one check that passed.
        passed=int(done.report.get("passed", 0)) or 1,
        failed=int(done.report.get("failed", 0)),
        summary=str(done.report.get("summary", "CI passed on a fresh checkout")),
    )


def _planned(run: Run, actor: Actor, done: AgentWorkCompleted, at: datetime) -> None:
    story, found = Story.objects.get(reference=done.subject.partition(":")[2]), _derived(run, done)
    # Told again, it must not bring back a plan that was handed in before, and taken back or replaced since.
    if not done_since(kinds=[TasksProposed.kind], subject=story.ref, since=at):
        record_proposal(actor=actor, story=story, result=found)
    if PROPOSED_ONLY in run.outcome:
        return
    story.refresh_from_db(fields=["version"])
    own = story.derivations.filter(state=DerivationState.PROPOSED, proposer=actor.ref).first()
    # What people made of it since is theirs to accept; what they make of it now is of another version.
    if own and isinstance(found, Derived) and [TaskDraft.from_dict(raw) for raw in own.drafts] == list(found.drafts):
        transition_story(actor=actor, story=story, name="derive_tasks", version=story.version)


def _derived(run: Run, done: AgentWorkCompleted) -> Derived | DerivationFailed:
    attempts = int(run.outcome.get("attempts", 1))
    if done.verdict != "planned":
        problems = tuple(str(problem) for problem in run.outcome.get("problems", []))
        return DerivationFailed(problems=problems, raw=str(run.outcome.get("raw", "")), attempts=attempts)
    drafts = tuple(TaskDraft.from_dict(raw) for raw in run.outcome["drafts"])
    return Derived(drafts=drafts, attempts=attempts)
