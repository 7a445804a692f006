"""What a person hands in for a task: a patch or the name of a pushed branch, and what became of it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from guildhall.kernel.stateful import StatefulModel


class HandInState(models.TextChoices):
    WAITING = "waiting", "In work"
    GREEN = "green", "CI is green"
    RED = "red", "CI is not green"
    REFUSED = "refused", "Refused"
    WITHDRAWN = "withdrawn", "Withdrawn"


class HandIn(StatefulModel):
    """One try of a task's claimant. `patch` is kept until it is settled, sealed: lines that it takes out may show a secret.
    `digest` tells a repeated one.

    `fence` counts takeovers like a run's: the worker with the highest one and a lease carries it out. `tries` are those in a row
    that came to nothing at all; `waiting_since` is when it began to wait for a forge or a sandbox; `opened` marks the token
    whose opening for it is in the trail.
    """

    verbatim: ClassVar = ("patch",)

    task = models.CharField(max_length=120)
    story = models.CharField(max_length=120)
    title = models.CharField(max_length=200)
    repository = models.CharField(max_length=60)
    person = models.CharField(max_length=160)
    person_name = models.CharField(max_length=200)
    claim_token = models.BigIntegerField()
    patch = models.TextField(blank=True)
    pushed = models.CharField(max_length=120, blank=True)
    digest = models.CharField(max_length=64)
    branch = models.CharField(max_length=200, blank=True)
    base_sha = models.CharField(max_length=64, blank=True)
    head_sha = models.CharField(max_length=64, blank=True)
    state = FSMField(max_length=10, choices=HandInState.choices, default=HandInState.WAITING, protected=True)
    reason = models.TextField(blank=True)
    fence = models.BigIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(db_default=0)
    waiting_since = models.DateTimeField(null=True)
    opened = models.CharField(max_length=32, blank=True, db_default="")
    lease_until = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(name="hand_in_by_task", fields=["task", "-id"]),
            models.Index(name="hand_in_open", fields=["lease_until"], condition=Q(state="waiting")),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(name="hand_in_state_known", condition=Q(state__in=HandInState.values)),
            models.UniqueConstraint(name="hand_in_open_once", fields=["task"], condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"hand-in {self.pk}"

    @property
    def ref(self) -> str:
        return f"hand-in:{self.pk}"

    @transition(field=state, source=HandInState.WAITING, target=HandInState.GREEN)
    def pass_ci(self) -> None:
        """CI is green on its commit, which is the task's change now."""

    @transition(field=state, source=HandInState.WAITING, target=HandInState.RED)
    def fail_ci(self) -> None:
        """CI is red on its commit, or came to no verdict; its person sees why and hands in again."""

    @transition(field=state, source=HandInState.WAITING, target=HandInState.REFUSED)
    def refuse(self) -> None:
        """There is no commit of it: it does not apply, breaks a rule, waited too long, or came when the claim was gone."""

    @transition(field=state, source=HandInState.WAITING, target=HandInState.WITHDRAWN)
    def withdraw(self) -> None:
        """Somebody took it back, or whoever claimed the task next handed in."""
