"""Sprints, proposals of tasks, and decisions."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from guildhall.kernel.stateful import StatefulModel
from workflows.models.story import Story
from workflows.models.tree import Project


class DerivationState(models.TextChoices):
    PROPOSED = "proposed", "Proposed"
    FAILED = "failed", "Failed"
    ACCEPTED = "accepted", "Accepted"
    REPLACED = "replaced", "Replaced"


class DecisionKind(models.TextChoices):
    SCOPE = "scope", "Scope"
    DESIGN = "design", "Design"
    PLAN = "plan", "Plan"
    RELEASE = "release", "Release"


class SprintState(models.TextChoices):
    OPEN = "open", "Open"
    CLOSING = "closing", "Closing"
    CLOSED = "closed", "Closed"


class Sprint(StatefulModel):
    """A stretch of work; one at a time is open per project. `capacity` is in points (see `workflows.burndown`).

    While it is closing its stories are moved one by one; `summary` is what it came to, set when it is closed.
    """

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="sprints")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    goal = models.TextField(blank=True)
    capacity = models.PositiveIntegerField(null=True, blank=True)
    starts_on = models.DateField(null=True, blank=True)
    ends_on = models.DateField(null=True, blank=True)
    state = FSMField(max_length=8, choices=SprintState.choices, default=SprintState.OPEN, protected=True)
    closing_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=160, blank=True)
    closed_by_name = models.CharField(max_length=200, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    summary: "models.JSONField[Any, Any]" = models.JSONField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "sprint"
        ordering: ClassVar = ["project_id", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="sprint_number_once", fields=["project", "number"]),
            models.UniqueConstraint(name="sprint_one_open", fields=["project"], condition=Q(closed_at__isnull=True)),
            models.CheckConstraint(name="sprint_state_known", condition=Q(state__in=SprintState.values)),
            models.CheckConstraint(
                name="sprint_closed_whole",
                condition=Q(state="closed", closed_at__isnull=False) | (~Q(state="closed") & Q(closed_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="sprint_ends_after_start",
                condition=Q(starts_on__isnull=True) | Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        return f"sprint:{self.pk}"

    @transition(field=state, source=SprintState.OPEN, target=SprintState.CLOSING)
    def begin_closing(self) -> None:
        """Its stories are settled now; none is added any more."""

    @transition(field=state, source=SprintState.CLOSING, target=SprintState.CLOSED)
    def finish_closing(self) -> None:
        """Every story of it is settled."""


class SprintChange(models.Model):
    """By how much one act changed what remains of a story in a sprint: signed points and unfinished tasks.

    Their sums are what remains; the burn-down is read from these rows alone. Append-only.
    """

    sprint = models.ForeignKey(Sprint, on_delete=models.CASCADE, related_name="changes")
    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="sprint_changes")
    points = models.IntegerField()
    tasks = models.IntegerField()
    cause = models.CharField(max_length=40)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="sprint_change_changes", condition=~Q(points=0, tasks=0) | Q(cause="entered"))
        ]
        indexes: ClassVar = [models.Index(name="sprint_change_by_story", fields=["sprint", "story"])]

    def __str__(self) -> str:
        return f"{self.sprint_id} {self.story_id} {self.points:+} {self.tasks:+}"


class Derivation(models.Model):
    """A planner's proposal of a story's tasks: shown, edited, accepted; or why there is none."""

    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="derivations")
    state = models.CharField(max_length=10, choices=DerivationState.choices, default=DerivationState.PROPOSED)
    drafts: "models.JSONField[Any, Any]" = models.JSONField(default=list)
    problems = ArrayField(models.TextField(), default=list)
    raw = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=1)
    proposer = models.CharField(max_length=160)
    proposer_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="derivation_state_known", condition=Q(state__in=DerivationState.values)),
            models.UniqueConstraint(name="derivation_one_open", fields=["story"], condition=Q(state="proposed")),
        ]

    def __str__(self) -> str:
        return f"{self.story_id} {self.state}"

    @property
    def ref(self) -> str:
        return f"derivation:{self.pk}"


class Decision(models.Model):
    """What was decided, why, instead of what, and what it affects (plain references).

    `alternatives` are objects with `title` and `why_not`; `decided_by` is empty until somebody approves or rejects it.
    """

    kind = models.CharField(max_length=10, choices=DecisionKind.choices)
    title = models.CharField(max_length=200)
    rationale = models.TextField()
    alternatives: "models.JSONField[Any, Any]" = models.JSONField(default=list, blank=True)
    affects = ArrayField(models.CharField(max_length=160), default=list, blank=True)
    verdict = models.CharField(max_length=10, default="proposed")
    feedback = models.TextField(blank=True)
    proposed_by = models.CharField(max_length=160, blank=True)
    proposed_by_name = models.CharField(max_length=200, blank=True)
    decided_by = models.CharField(max_length=160, blank=True)
    decided_by_name = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    superseded_by = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="supersedes", null=True, blank=True
    )
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "decision"
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="decision_kind_known", condition=Q(kind__in=DecisionKind.values)),
            models.CheckConstraint(
                name="decision_verdict_known", condition=Q(verdict__in=["proposed", "approved", "rejected"])
            ),
            models.CheckConstraint(name="decision_not_its_own_successor", condition=~Q(superseded_by=F("id"))),
        ]
        indexes: ClassVar = [GinIndex(name="decision_by_affected", fields=["affects"])]

    def __str__(self) -> str:
        return self.title

    @property
    def ref(self) -> str:
        return f"decision:{self.pk}"
