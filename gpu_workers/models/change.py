"""Repositories, change requests and CI results."""

import hashlib
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from gpu_workers.models.run import Run
from guildhall.kernel.stateful import StatefulModel


class Repository(models.Model):
    """A built-in repository: a bare git folder under the platform's data folder, one folder per tenant."""

    name = models.SlugField(max_length=60, unique=True)
    default_branch = models.CharField(max_length=60, default="main")
    ci_command = models.CharField(max_length=400)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name_plural = "repositories"

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        return f"repository:{self.name}"


class ChangeState(models.TextChoices):
    OPEN = "open", "Open"
    MERGED = "merged", "Merged"
    CLOSED = "closed", "Closed"
    REVERTED = "reverted", "Reverted"


class ChangeRequest(StatefulModel):
    """One task's change: a range of commits, what it differs in, and what became of it.

    `run` is None where a person handed it in. `description` is what its agent says of it, plain text.
    """

    number = models.PositiveIntegerField(unique=True)
    task = models.CharField(max_length=120, unique=True)
    story = models.CharField(max_length=120)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="", db_default="")
    repository = models.CharField(max_length=60)
    branch = models.CharField(max_length=120)
    base_sha = models.CharField(max_length=64)
    head_sha = models.CharField(max_length=64)
    diff_hash = models.CharField(max_length=64)
    files = models.JSONField(default=list)
    added = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    author = models.CharField(max_length=80)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="changes", null=True, blank=True)
    state = FSMField(max_length=10, choices=ChangeState.choices, default=ChangeState.OPEN, protected=True)
    merged_sha = models.CharField(max_length=64, blank=True)
    reverted_sha = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    merged_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.CheckConstraint(name="change_state_known", condition=models.Q(state__in=ChangeState.values)),
            models.CheckConstraint(
                name="change_merged_has_sha", condition=~models.Q(state="merged") | ~models.Q(merged_sha="")
            ),
        ]

    def __str__(self) -> str:
        return f"change {self.number}"

    @property
    def ref(self) -> str:
        return f"change:{self.number}"

    @transition(field=state, source=[ChangeState.OPEN, ChangeState.CLOSED], target=ChangeState.MERGED)
    def merge(self) -> None:
        """The approved commit is on the default branch."""

    @transition(field=state, source=ChangeState.OPEN, target=ChangeState.CLOSED)
    def close(self) -> None:
        """Nobody wants it any more."""

    @transition(field=state, source=ChangeState.CLOSED, target=ChangeState.OPEN)
    def reopen(self) -> None:
        """The task came back."""

    @transition(field=state, source=ChangeState.MERGED, target=ChangeState.REVERTED)
    def revert(self) -> None:
        """A commit that undoes it is on the default branch."""


def fingerprint_of(command: str) -> str:
    """What an answer of CI keeps of the command that gave it: its SHA-256 in hex."""
    return hashlib.sha256(command.encode()).hexdigest()


class CIRun(models.Model):
    """What CI said of one commit by one command.

    `command_sha256` is the fingerprint of the command that was run, or that the commit had passed when its forge was asked; ""
    in rows that a version wrote which did not keep it.
    """

    repository = models.CharField(max_length=60)
    sha = models.CharField(max_length=64)
    purpose = models.CharField(max_length=60)
    command_sha256 = models.CharField(max_length=64, blank=True, default="", db_default="")
    status = models.CharField(max_length=10)
    exit_code = models.IntegerField(null=True)
    tests = models.JSONField(default=list)
    passed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    log = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="ci_run_once", fields=["repository", "sha", "purpose", "command_sha256"]),
        ]

    def __str__(self) -> str:
        return f"{self.status} on {self.sha[:8]}"

    @property
    def green(self) -> bool:
        return self.status == "passed"
