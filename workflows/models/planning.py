"""Sprints, proposals of tasks, and decisions."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

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


class Sprint(models.Model):
    """A stretch of work; one at a time is open per project."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="sprints")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    starts_on = models.DateField(null=True, blank=True)
    ends_on = models.DateField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["project_id", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="sprint_number_once", fields=["project", "number"]),
            models.UniqueConstraint(name="sprint_one_open", fields=["project"], condition=Q(closed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        return f"sprint:{self.pk}"


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
    """What was decided, why, instead of what, and what it affects (plain references)."""

    kind = models.CharField(max_length=10, choices=DecisionKind.choices)
    title = models.CharField(max_length=200)
    rationale = models.TextField()
    alternatives = ArrayField(models.TextField(), default=list, blank=True)
    affects = ArrayField(models.CharField(max_length=160), default=list, blank=True)
    verdict = models.CharField(max_length=10, default="proposed")
    feedback = models.TextField(blank=True)
    decided_by = models.CharField(max_length=160)
    decided_by_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="decision_kind_known", condition=Q(kind__in=DecisionKind.values)),
            models.CheckConstraint(
                name="decision_verdict_known", condition=Q(verdict__in=["proposed", "approved", "rejected"])
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def ref(self) -> str:
        return f"decision:{self.pk}"
