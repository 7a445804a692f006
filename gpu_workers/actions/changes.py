"""Change requests and CI results."""

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Max
from django.db.models.functions import Now

from governance.actions.allowances import Limited, take_allowance
from gpu_workers.actions.runs import LeaseLost
from gpu_workers.events import ChangeClosed, ChangeMerged, ChangeOpened, ChangeRebased, CIFinished
from gpu_workers.models import ChangeRequest, CIRun, Repository, Run, RunStep
from gpu_workers.models.change import ChangeState, fingerprint_of
from gpu_workers.models.run import RunState
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from guildhall.kernel.texts import storable
from workflows.models import Task

AUTHORS = "run:"
"""Start of the purpose of CI that judges an agent's own work; other CI says nothing about who ran it."""
PERSONS = "hand-in:"
"""Start of the purpose of CI on a commit that a person handed in."""
FORGE = "forge:"
"""Start of the purpose of what a forge's own checks said of a commit."""
REBASED = "rebase"
"""The purpose of CI on a commit that the platform made when the base had moved."""
APPROVED = "merge"
"""The purpose of CI on an approved commit that the command which counts now has not been run on. It makes no commit a rebase."""
LOG_KEPT = 20_000
"""Characters of the end of a log of CI, ours or a forge's, that are kept."""
NUMBERING = "SELECT pg_advisory_xact_lock(hashtextextended('guildhall change numbers ' || current_user, 0))"
"""Who reads after this sees every number that was given out."""


class ClaimGone(Conflict):
    """The claim that a run works under has ended: the task is somebody else's by now, or nobody's."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a change request consists of: a range of commits and its diff's figures and hash."""

    branch: str
    base_sha: str
    head_sha: str
    diff_hash: str
    files: list[dict[str, Any]]
    added: int
    removed: int


@governed("change.open", lock="run")
def open_change(
    *, actor: Actor, run: Run, fence: int, step: str, task: str, title: str, description: str = "", proposal: Proposal
) -> dict[str, Any]:
    """Propose a run's commits for its task. A task has one change request; proposing again replaces its commits and words.

    What was opened is the answer, and is put by with the run's `step`, both or neither: whoever goes on from a dead worker
    opens nothing again, and of a run that nobody goes on with it is known.

    Raises `ClaimGone` when the run has lost its task, and `RateLimited` when the policy allows no more in this hour.
    """
    if run.fence != fence or run.state != RunState.RUNNING:
        raise LeaseLost(f"run {run.number} is held by another worker or has ended")
    _refuse_unclaimed(run, task, actor)
    change = ChangeRequest.objects.select_for_update().filter(task=task).first()
    take_allowance(Limited.CHANGE_REQUESTS)
    if change is None:
        change = ChangeRequest(number=next_number(), task=task, story=run.story)
    elif change.state == ChangeState.CLOSED:
        change.reopen()
    elif change.state != ChangeState.OPEN:
        raise Conflict(f"change {change.number} is {change.state}; it cannot be replaced.")
    change.author, change.run, change.repository = actor.ref, run, run.repository
    change.title, change.description = title[:200], description
    carry(change, proposal)
    change.save()
    record(
        ChangeOpened(subject=change.ref, task=task, head_sha=change.head_sha, diff_hash=change.diff_hash), actor=actor
    )
    opened = {"change": change.number, "head_sha": change.head_sha, "diff_hash": change.diff_hash}
    RunStep.objects.filter(run=run, key=step, finished_at=None).update(response=opened)
    return opened


def _refuse_unclaimed(run: Run, task: str, actor: Actor) -> None:
    """Raises `ClaimGone` unless `actor` holds `task` by the claim that made the run; to the end of the open transaction
    nobody takes it away. One whose lease is over and that nobody has released is still that claim."""
    row = Task.objects.select_for_update(of=("self",)).filter(reference=task).first()
    if row is None or row.holder != actor.ref or run.claim != f"{row.ref}:{row.claim_token}":
        raise ClaimGone(f"The claim on {task} that run {run.number} worked under has ended; its work is not proposed.")


def next_number() -> int:
    """The number of the next change; to the end of the open transaction nobody else gets one."""
    with connection.cursor() as cursor:
        cursor.execute(NUMBERING)
    return (ChangeRequest.objects.aggregate(last=Max("number"))["last"] or 0) + 1


def carry(change: ChangeRequest, proposal: Proposal) -> None:
    """Have the change consist of these commits."""
    change.branch, change.base_sha, change.head_sha = proposal.branch, proposal.base_sha, proposal.head_sha
    change.diff_hash, change.files = proposal.diff_hash, proposal.files
    change.added, change.removed = proposal.added, proposal.removed


@governed("change.rebase", lock="change")
def record_rebase(*, actor: Actor, change: ChangeRequest, proposal: Proposal) -> ChangeRequest:
    """The base moved: the change now consists of rebased commits, which need CI and an approval of their own."""
    if change.state != ChangeState.OPEN:
        raise Conflict(f"change {change.number} is {change.state}.")
    old = change.head_sha
    carry(change, proposal)
    change.save()
    record(
        ChangeRebased(subject=change.ref, task=change.task, old_sha=old, head_sha=change.head_sha),
        actor=actor,
        before={"head_sha": old},
        after={"head_sha": change.head_sha},
    )
    return change


@governed("change.merge", lock="change")
def record_merge(*, actor: Actor, change: ChangeRequest, merged_sha: str, approval: int) -> ChangeRequest:
    """Write down that the approved commit is on the default branch. Raises `Conflict` when that is known already.

    Also of a change that was closed before anybody knew: its worker had died, and what is shipped is in the trail.
    """
    if change.state not in (ChangeState.OPEN, ChangeState.CLOSED):
        raise Conflict(f"change {change.number} is {change.state}.")
    if merged_sha != change.head_sha:
        raise Conflict(f"change {change.number} is at {change.head_sha[:8]}, not at {merged_sha[:8]}.")
    change.merge()
    change.merged_sha = merged_sha
    change.save(update_fields=["state", "merged_sha"])
    ChangeRequest.objects.filter(pk=change.pk).update(merged_at=Now())
    event = ChangeMerged(
        subject=change.ref, task=change.task, merged_sha=merged_sha, approval=approval, author=change.author
    )
    record(event, actor=actor)
    return change


@governed("change.close", lock="change")
def close_change(*, actor: Actor, change: ChangeRequest) -> ChangeRequest:
    """Nobody wants the change any more; its commits stay on their branch."""
    if change.state != ChangeState.OPEN:
        raise Conflict(f"change {change.number} is {change.state}.")
    change.close()
    change.save(update_fields=["state"])
    record(ChangeClosed(subject=change.ref, task=change.task), actor=actor)
    return change


@dataclass(frozen=True, slots=True)
class CIReport:
    """What CI said: status (passed, failed, error, timeout), exit code, log, test cases and how long it took in ms."""

    status: str
    exit_code: int | None
    log: str
    tests: list[dict[str, Any]]
    passed: int
    failed: int
    duration_ms: int


@governed("ci.record", lock="repository")
def record_ci(*, actor: Actor, repository: Repository, sha: str, purpose: str, command: str, report: CIReport) -> CIRun:
    """Keep CI's first answer for a commit, purpose and command; a repeated run of the same step changes nothing.

    `command` is the one that was run: the repository may have another by now.
    """
    row, made = CIRun.objects.get_or_create(
        repository=repository.name,
        sha=sha,
        purpose=purpose,
        command_sha256=fingerprint_of(command),
        defaults={
            "status": report.status,
            "exit_code": report.exit_code,
            "log": storable(report.log),
            "tests": report.tests,
            "passed": report.passed,
            "failed": report.failed,
            "duration_ms": report.duration_ms,
        },
    )
    author = actor.ref if purpose.startswith(AUTHORS) and made else ""
    event = CIFinished(
        subject=f"commit:{sha}", sha=sha, status=row.status, passed=row.passed, failed=row.failed, author=author
    )
    record(event, actor=actor, after={"first": made})
    return row
