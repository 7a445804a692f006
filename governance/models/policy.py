from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from guildhall.kernel.stateful import StatefulModel


class Policy(models.Model):
    """One version of the tenant's policy. At most one is active; without one everything is denied.

    A trigger keeps the text as it was approved, and lets a version after the first be active only with an approval of
    exactly that text. `approval` is its number.
    """

    version = models.PositiveIntegerField(unique=True)
    text = models.TextField()
    document: "models.JSONField[Any, Any]" = models.JSONField()
    digest = models.CharField(max_length=64)
    active = models.BooleanField(default=False)
    approval = models.PositiveBigIntegerField(null=True, unique=True)
    made_by = models.CharField(max_length=160)
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-version"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="policy_one_active", fields=["active"], condition=Q(active=True)),
        ]

    def __str__(self) -> str:
        return f"policy {self.version}"

    @property
    def ref(self) -> str:
        return f"policy:{self.version}"


class DraftState(models.TextChoices):
    DRAFT = "draft", "Draft"
    ASKED = "asked", "Waits for approval"
    ACTIVATED = "activated", "In force or was"
    WITHDRAWN = "withdrawn", "Withdrawn"


class PolicyDraft(StatefulModel):
    """A proposal for the next policy, based on the version that was active when it was last written.

    `authors` is everybody who wrote a part of it: none of them counts in its approval. `revision` grows with each edit.
    """

    text = models.TextField()
    digest = models.CharField(max_length=64)
    base_version = models.PositiveIntegerField()
    reason = models.CharField(max_length=300)
    authors = ArrayField(models.CharField(max_length=160))
    asked_by = models.CharField(max_length=160, blank=True)
    revision = models.PositiveIntegerField(default=1)
    state = FSMField(max_length=12, choices=DraftState.choices, default=DraftState.DRAFT.value, protected=True)
    state_reason = models.CharField(max_length=300, blank=True)
    activated_as = models.PositiveIntegerField(null=True, unique=True)
    made_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="policy_draft_state_known", condition=Q(state__in=DraftState.values)),
            models.CheckConstraint(
                name="policy_draft_activated_as",
                condition=Q(state="activated", activated_as__isnull=False)
                | Q(~Q(state="activated"), Q(activated_as__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return f"policy draft {self.pk}"

    @property
    def ref(self) -> str:
        return f"policy_draft:{self.pk}"

    @transition(field=state, source="draft", target="asked")
    def ask(self) -> None:
        """People are asked to put it into force."""

    @transition(field=state, source=["draft", "asked"], target="draft")
    def write(self) -> None:
        """It was changed, or came back: what was asked about it is void."""

    @transition(field=state, source="asked", target="activated")
    def activate(self) -> None:
        """Enough people approved exactly this, and it is the policy now."""

    @transition(field=state, source=["draft", "asked"], target="withdrawn")
    def withdraw(self) -> None:
        """Nobody wants it any more."""
