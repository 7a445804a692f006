"""Carrying out what a person handed in: a commit, CI on it, and the task's change. Safe to repeat after a crash at any point.

The row holds the truth: whoever has its highest fence and an unexpired lease works on it; the base is fixed once, and the
same hand-in on the same base is the same commit.
"""

import logging
import re
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from governance.policies.patterns import replace
from governance.selectors.holds import is_held
from governance.selectors.policy import active_policy
from governance.views import HoldView
from gpu_workers.actions.changes import PERSONS, CIReport, Proposal, record_ci
from gpu_workers.actions.forges import note_pull_request
from gpu_workers.actions.hand_ins import hand_over, settle_hand_in
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.ci import run_ci
from gpu_workers.folders import repository_folder, scratch_folder
from gpu_workers.forges import CheckStatus, Forge, NotYet, Refused
from gpu_workers.forges.choosing import connection_of, forge_of, pull_request_of
from gpu_workers.forges.vault import Opening
from gpu_workers.models import ChangeRequest, CIRun, HandIn, Repository
from gpu_workers.models.hand_in import HandInState
from gpu_workers.patching import NotTaken, Work, checked_branch_head, commit_patch
from gpu_workers.repos import GitError, Signature, diff, diff_hash, merge_base
from gpu_workers.runs.ci import report_of
from gpu_workers.runs.keeper import Keeper
from gpu_workers.runs.using import charge_ci
from gpu_workers.sandbox import Sandbox, SandboxSettings, SandboxUnavailable
from gpu_workers.selectors import change_of_task, repository_named
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.errors import Conflict, Invalid, NotFound, RateLimited, Unavailable
from guildhall.kernel.redaction import MARK
from guildhall.kernel.tenancy import current_tenant, release_connection
from workflows.models import Story, Task

logger = logging.getLogger(__name__)
AWAY_S = 30.0
SHOWN = 2000


class _HandInKeeper(Keeper):
    def extend(self, row: int, fence: int) -> str | None:
        mine = HandIn.objects.filter(pk=row, fence=fence, state=HandInState.WAITING, lease_until__isnull=False)
        if not mine.update(lease_until=Now() + settings.RUN_LEASE):
            raise LeaseLost("the hand-in was taken over or is settled")
        return None


def carry_out_hand_in(number: int) -> None:
    """Work on a hand-in of the current tenant, unless somebody else holds it or it is settled."""
    if hold := _hold_on(number):
        # It stays where it is: the scheduler offers it again until the hold ends.
        logger.info("hand-in %s is not taken: %s", number, hold.sentence)
        return
    row = _take(number)
    if row is None:
        return
    actor = system_actor("hand-ins", current_tenant())
    try:
        with _HandInKeeper(current_tenant(), row.pk, row.fence, lambda: _hold_on(number)) as keeper:
            _settle(actor, row, keeper)
    except LeaseLost:
        logger.info("hand-in %s was taken over", number)


def _hold_on(number: int) -> HoldView | None:
    """The kill switch that stops it now, or None."""
    story = HandIn.objects.filter(pk=number).values_list("story", flat=True).first() or ""
    found = Story.objects.filter(reference=story.partition(":")[2]).values_list("strategy_id", flat=True).first()
    return is_held(strategy=str(found or ""))


def waiting_hand_ins() -> list[int]:
    """Hand-ins that nobody works on and that are due."""
    return list(_free().order_by("pk").values_list("pk", flat=True)[:200])


def _free() -> QuerySet[HandIn]:
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    return HandIn.objects.filter(free, Q(retry_at=None) | Q(retry_at__lte=Now()), state=HandInState.WAITING)


def _take(number: int) -> HandIn | None:
    """Bookkeeping between workers, as a run's lease is."""
    taken = (
        _free().filter(pk=number).update(fence=F("fence") + 1, lease_until=Now() + settings.RUN_LEASE, retry_at=None)
    )
    return HandIn.objects.get(pk=number) if taken else None


def _settle(actor: Actor, row: HandIn, keeper: Keeper) -> None:
    try:
        state, reason = _carry_out(actor, row, keeper)
    except (NotTaken, Refused, GitError, Conflict, Invalid, NotFound) as refusal:
        if isinstance(refusal, LeaseLost):
            raise
        state, reason = HandInState.REFUSED, str(getattr(refusal, "detail", refusal))
    except (NotYet, RateLimited, Unavailable, SandboxUnavailable) as away:
        seconds = float(getattr(away, "seconds", AWAY_S))
        _held(row).update(lease_until=None, retry_at=Now() + timedelta(seconds=seconds), reason=str(away)[:SHOWN])
        return
    if keeper.lost:
        raise LeaseLost(keeper.reason)
    settle_hand_in(actor=actor, hand_in=row, fence=row.fence, state=state, reason=reason)


def _carry_out(actor: Actor, row: HandIn, keeper: Keeper) -> tuple[HandInState, str]:
    repository = repository_named(row.repository)
    forge = forge_of(repository, Opening(actor, f"hand-in {row.pk} of {row.task}"))
    _commit(row, forge, repository_folder(repository.name))
    ci = _run_ci(actor, row, repository, keeper)
    if not ci.green:
        return HandInState.RED, f"CI {ci.status} on {row.head_sha[:12]}."
    if connection_of(repository.name) is not None:
        checks = _checks(row, forge_of(repository, Opening(actor, f"checks of hand-in {row.pk}")))
        if checks:
            return HandInState.RED, checks
    change = _hand_over(actor, row)
    _put_up(actor, row, repository, change)
    return HandInState.GREEN, ""


def _held(row: HandIn) -> QuerySet[HandIn]:
    return HandIn.objects.filter(pk=row.pk, fence=row.fence, state=HandInState.WAITING)


def _keep(row: HandIn, **facts: str) -> None:
    """Write down how far it is; refused to whom the lease was taken from."""
    if not _held(row).update(**facts):
        raise LeaseLost(f"hand-in {row.pk} is held by another worker or settled")
    for name, value in facts.items():
        setattr(row, name, value)


def _commit(row: HandIn, forge: Forge, repo: Path) -> None:
    """Make the commit, on top of the default branch as it is when this is first tried."""
    if row.head_sha:
        return
    fresh = forge.refresh()
    branch = row.branch or f"guildhall/{row.task}-{_slug(row.person)}-{row.pk}"
    if row.pushed:
        head = forge.fetch(row.pushed, branch)
        base = merge_base(repo, fresh, head)
        checked_branch_head(repo, base, head)
        _keep(row, branch=branch, base_sha=base, head_sha=head)
        return
    if not row.base_sha:
        _keep(row, branch=branch, base_sha=fresh)
    who = re.sub(r"[<>\s\x00-\x1f]+", " ", row.person_name).strip() or row.person
    work = Work(
        branch=branch,
        base=row.base_sha,
        message=f"{row.task}: {row.title}",
        author=Signature(who, f"{_slug(row.person)}@people.invalid"),
        when=row.created_at.replace(microsecond=0),
    )
    release_connection()
    _keep(row, head_sha=commit_patch(repo, _sandbox(), scratch_folder(f"hand-in-{row.pk}"), row.patch, work))


def _slug(person: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", person.partition(":")[2]).strip("-") or "person"


def _sandbox() -> Sandbox:
    return Sandbox(SandboxSettings(runtime=settings.WORK_DIR))


def _run_ci(actor: Actor, row: HandIn, repository: Repository, keeper: Keeper) -> CIRun:
    purpose = f"{PERSONS}{row.pk}"
    known = CIRun.objects.filter(repository=repository.name, sha=row.head_sha, purpose=purpose).first()
    if known is not None:
        return known
    release_connection()
    scratch = scratch_folder(f"hand-in-ci-{row.pk}")
    outcome = run_ci(
        repository_folder(repository.name),
        row.head_sha,
        repository.ci_command,
        _sandbox(),
        scratch,
        cancel=keeper.stop,
    )
    task = Task.objects.select_related("story__project").get(reference=row.task)
    charge_ci(actor=actor, task=task, seconds=outcome.duration_s)
    if keeper.lost:
        raise LeaseLost(keeper.reason)
    if keeper.hold is not None:
        raise NotYet(keeper.hold.sentence, AWAY_S)
    report = report_of(outcome)
    return record_ci(actor=actor, repository=repository, sha=row.head_sha, purpose=purpose, report=_masked(report))


def _masked(report: CIReport) -> CIReport:
    """Without what the policy's patterns find in outputs."""
    log = report.log
    for rule in active_policy().document.violations.patterns:
        if "output" in rule.places:
            log = replace(rule.pattern, MARK, log)
    return CIReport(
        report.status, report.exit_code, log, report.tests, report.passed, report.failed, report.duration_ms
    )


def _checks(row: HandIn, forge: Forge) -> str:
    """What is wrong by the forge's own checks, "" when they passed. Raises `NotYet` while they run."""
    forge.publish(row.branch, row.head_sha)
    found = forge.checks(row.head_sha)
    if found.status in (CheckStatus.NONE, CheckStatus.PENDING):
        raise NotYet(f"The forge's checks on {row.head_sha[:12]} have not all ended.", AWAY_S)
    return "" if found.status is CheckStatus.PASSED else f"The forge's checks failed: {found.log[-SHOWN:]}"


def _hand_over(actor: Actor, row: HandIn) -> ChangeRequest:
    change = change_of_task(row.task)
    if change is not None and (change.head_sha, change.author, change.state) == (row.head_sha, row.person, "open"):
        return change
    repo = repository_folder(row.repository)
    release_connection()
    changed = diff(repo, row.base_sha, row.head_sha)
    proposal = Proposal(
        branch=row.branch[:120],
        base_sha=row.base_sha,
        head_sha=row.head_sha,
        diff_hash=diff_hash(repo, row.base_sha, row.head_sha),
        files=[{"path": f.path, "status": f.status, "added": f.added, "removed": f.removed} for f in changed],
        added=sum(f.added for f in changed),
        removed=sum(f.removed for f in changed),
    )
    story = Story.objects.get(reference=row.story.partition(":")[2])
    return hand_over(actor=actor, story=story, hand_in=row, fence=row.fence, proposal=proposal)


def _put_up(actor: Actor, row: HandIn, repository: Repository, change: ChangeRequest) -> None:
    """Have the pull request of the change at its commit; a built-in repository has none."""
    if connection_of(repository.name) is None:
        return
    known = pull_request_of(change)
    branch = known.branch if known else row.branch
    forge = forge_of(repository, Opening(actor, f"the pull request of {row.task}"))
    forge.publish(branch, row.head_sha)
    text = f"{row.task}, change {change.number}. Merged from Guildhall once it is approved there."
    opened = forge.propose(branch, change.title, text)
    note_pull_request(actor=actor, change=change, number=opened.number, branch=branch, url=opened.url)
