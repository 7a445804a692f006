"""What a worker does with a hand-in: a commit of it, CI and the forge's checks on that, the task's change, its pull request."""

import re
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from django.db.models import QuerySet
from django.db.models.functions import Now

from governance.selectors.holds import is_held
from governance.views import HoldView
from gpu_workers.actions.changes import FORGE, PERSONS
from gpu_workers.actions.hand_ins import CLAIM_GONE, hand_over, is_claimed, sealed_for
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.ci import CIStatus
from gpu_workers.ci_runs import keep_ci, project_ci
from gpu_workers.folders import repository_folder, scratch_folder
from gpu_workers.forges import Forge, NotYet
from gpu_workers.forges.choosing import connection_of, forge_of
from gpu_workers.forges.putting_up import Effort, judged_there, put_up
from gpu_workers.forges.vault import Opening, mark_of, unsealed_text
from gpu_workers.metering import metered
from gpu_workers.models import ChangeRequest, CIRun, HandIn, Repository
from gpu_workers.models.change import fingerprint_of
from gpu_workers.models.hand_in import HandInState
from gpu_workers.patching import NotTaken, Work, base_of_branch, checked_branch_head, commit_patch
from gpu_workers.ranges import proposal_of
from gpu_workers.repos import Signature
from gpu_workers.repos.stopping import GitStopped, stopping_with
from gpu_workers.runs.keeper import Keeper
from gpu_workers.runs.masking import hiding
from gpu_workers.runs.verdicts import not_green
from gpu_workers.sandbox import Sandbox
from gpu_workers.sandboxes import sandbox_settings
from gpu_workers.selectors import change_of_task, repository_named
from gpu_workers.wording import MOST_TITLE, commit_message, one_line
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from guildhall.kernel.tenancy import release_connection
from workflows.models import Story

AWAY_S = 30.0


class Halted(NotYet):
    """A kill switch is on: it rests for as long as that lasts, and that is no waiting of its own."""


def held(row: HandIn) -> QuerySet[HandIn]:
    """The row, for whoever has its lease."""
    mine = HandIn.objects.filter(pk=row.pk, fence=row.fence, state=HandInState.WAITING)
    return mine.filter(lease_until__gt=Now())


def hold_on(number: int) -> HoldView | None:
    """The kill switch that stops a hand-in now, or None."""
    story = HandIn.objects.filter(pk=number).values_list("story", flat=True).first() or ""
    found = Story.objects.filter(reference=story.partition(":")[2]).values_list("strategy_id", flat=True).first()
    return is_held(strategy=str(found or ""))


class HandInWork:
    """One worker at one hand-in. Each part does nothing again that was kept."""

    def __init__(self, actor: Actor, row: HandIn, keeper: Keeper) -> None:
        self.actor, self.row, self.keeper = actor, row, keeper

    def carry_out(self) -> tuple[HandInState, str]:
        """What came of it, and why. Raises `NotTaken`, `NotYet`, and whatever a forge, git and the sandbox raise."""
        try:
            with stopping_with(self.keeper.stop):
                return self._carried_out()
        except GitStopped as stopped:
            self.ask()
            raise Halted(self.keeper.reason, AWAY_S) from stopped

    def _carried_out(self) -> tuple[HandInState, str]:
        self.ask()
        self._commit()
        ci = self._ci()
        sha = self.row.head_sha[:12]
        if not ci.green:
            return HandInState.RED, f"{not_green(ci.status, ci.log, f'on {sha}')}."
        there = self._judged_there()
        if there is not None and not there.green:
            return HandInState.RED, f"GitHub's checks failed on {sha}."
        change = self._hand_over()
        if self._elsewhere:
            put_up(self._effort, change, self.row.branch, self.row.head_sha)
        return HandInState.GREEN, ""

    def ask(self) -> None:
        """Whether it may go on, asked before each thing that others see. Raises `LeaseLost`, `Halted` and `Conflict`.

        The claim is asked about until the change is handed over: what waits for a forge stands in nobody's way.
        """
        if self.keeper.lost or not held(self.row).exists():
            raise LeaseLost(self.keeper.reason or f"hand-in {self.row.pk} is held by another worker or settled")
        if hold := hold_on(self.row.pk):
            raise Halted(hold.sentence, AWAY_S)
        if self._handed_over() is None and not is_claimed(self.row, self._story):
            raise Conflict(CLAIM_GONE)

    def keep(self, **facts: str) -> None:
        """Write down how far it is; what it waited for is over. Refused to whom the lease was taken from."""
        if not held(self.row).update(waiting_since=None, tries=0, **facts):
            raise LeaseLost(f"hand-in {self.row.pk} is held by another worker or settled")
        self.row.waiting_since, self.row.tries = None, 0
        for name, value in facts.items():
            setattr(self.row, name, value)

    @cached_property
    def repository(self) -> Repository:
        return repository_named(self.row.repository)

    @cached_property
    def forge(self) -> Forge:
        """Its token is opened once in a try, and only where something is asked there.

        Looking again is the same use of it: one row of the trail tells of all of a hand-in's.
        """
        connection = connection_of(self.row.repository)
        opening = Opening(self.actor, f"hand-in {self.row.pk} of {self.row.task}", noted=self.row.opened)
        forge = forge_of(self.repository, opening)
        if connection is not None and (mark := mark_of(connection.token)) != self.row.opened:
            self.row.opened = mark
            held(self.row).update(opened=mark)
        return forge

    @property
    def _repo(self) -> Path:
        return repository_folder(self.row.repository)

    @property
    def _story(self) -> Story:
        return Story.objects.get(reference=self.row.story.partition(":")[2])

    @property
    def _elsewhere(self) -> bool:
        return connection_of(self.row.repository) is not None

    @property
    def _effort(self) -> Effort:
        return Effort(self.actor, self.repository, self.forge, self.ask, hiding("output"))

    def _commit(self) -> None:
        """Make the commit, on top of the default branch as it is when this is first tried."""
        row = self.row
        if row.head_sha:
            return
        forge = self.forge
        release_connection()
        fresh = forge.refresh()
        branch = row.branch or f"guildhall/{row.task}-{_slug(row.person)}-{row.pk}"
        if row.pushed:
            head = forge.fetch(row.pushed, branch)
            base = base_of_branch(self._repo, fresh, head)
            checked_branch_head(self._repo, base, head)
            self.keep(branch=branch, base_sha=base, head_sha=head)
            return
        if not row.base_sha:
            self.keep(branch=branch, base_sha=fresh)
        who = re.sub(r"[<>\s\x00-\x1f]+", " ", row.person_name).strip() or row.person
        work = Work(
            branch=branch,
            base=row.base_sha,
            message=commit_message(row.task, one_line(row.title, MOST_TITLE), ""),
            author=Signature(who, f"{_slug(row.person)}@people.invalid"),
            when=row.created_at.replace(microsecond=0),
        )
        patch = _patch_of(row)
        release_connection()
        scratch = scratch_folder(f"hand-in-{row.pk}")
        self.keep(head_sha=commit_patch(self._repo, _sandbox(), scratch, patch, work))

    def _ci(self) -> CIRun:
        row, purpose = self.row, f"{PERSONS}{self.row.pk}"
        if known := self._known(purpose):
            return known
        repository, sha, stop = self.repository, row.head_sha, self.keeper.stop
        outcome = metered(
            actor=self.actor,
            task=row.task,
            run=lambda: project_ci(repository, sha, _sandbox(), f"hand-in-ci-{row.pk}", stop),
        )
        if self.keeper.stop.is_set() and outcome.status == CIStatus.ERROR:
            # What was ended says nothing of the commit and is not kept.
            self.ask()
            raise Halted(self.keeper.reason, AWAY_S)
        if self.keeper.lost:
            raise LeaseLost(self.keeper.reason)
        found = keep_ci(actor=self.actor, repository=repository, sha=sha, purpose=purpose, outcome=outcome)
        self.keep()
        return found

    def _judged_there(self) -> CIRun | None:
        """What the forge's own checks say of a commit that passed ours, None for a built-in repository."""
        if not self._elsewhere:
            return None
        purpose = f"{FORGE}{PERSONS}{self.row.pk}"
        if known := self._known(purpose):
            return known
        found = judged_there(self._effort, self.row.branch, self.row.head_sha, purpose, self.repository.ci_command)
        self.keep()
        return found

    def _known(self, purpose: str) -> CIRun | None:
        """What was kept in an earlier try, by the command that counts in this one."""
        rows = CIRun.objects.filter(repository=self.row.repository, sha=self.row.head_sha, purpose=purpose)
        return rows.filter(command_sha256=fingerprint_of(self.repository.ci_command)).first()

    def _handed_over(self) -> ChangeRequest | None:
        """The task's change, once it is at the commit of this hand-in."""
        change = change_of_task(self.row.task)
        found = change is not None and (change.head_sha, change.author, change.state)
        return change if found == (self.row.head_sha, self.row.person, "open") else None

    def _hand_over(self) -> ChangeRequest:
        if change := self._handed_over():
            return change
        row = self.row
        release_connection()
        proposal = proposal_of(self._repo, row.branch[:120], row.base_sha, row.head_sha)
        self.ask()
        change = hand_over(actor=self.actor, story=self._story, hand_in=row, fence=row.fence, proposal=proposal)
        self.keep()
        return change


def _patch_of(row: HandIn) -> str:
    try:
        return unsealed_text(row.patch, sealed_for(row.digest))
    except (InvalidTag, ValueError) as changed:
        raise NotTaken("What was kept of the patch cannot be read any more; hand it in again.") from changed


def _slug(person: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", person.partition(":")[2]).strip("-") or "person"


def _sandbox() -> Sandbox:
    return Sandbox(sandbox_settings())
