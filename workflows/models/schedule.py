"""When a strategy makes stories by itself, and what came of each time."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from workflows.models.story import Story
from workflows.models.tree import Strategy


class Overlap(models.TextChoices):
    SKIP = "skip", "Skip"
    QUEUE = "queue", "Queue"
    REPLACE = "replace", "Replace"


class FiringState(models.TextChoices):
    FIRED = "fired", "Writing the story"
    PLANNED = "planned", "Story written"
    QUEUED = "queued", "Waiting for the one before"
    SKIPPED = "skipped", "Skipped"
    REPLACED = "replaced", "Replaced"
    FAILED = "failed", "Failed"


class StrategySchedule(models.Model):
    """A cron expression in a time zone, and the story that each firing writes.

    `owner` is the person who set it and in whose name its stories are written and submitted. `template` holds a
    story's content, its texts with placeholders. `next_at` is the next time that has not been dealt with.
    """

    strategy = models.OneToOneField(Strategy, on_delete=models.CASCADE, related_name="schedule")
    cron = models.CharField(max_length=100)
    timezone = models.CharField(max_length=64)
    overlap = models.CharField(max_length=8, choices=Overlap.choices, default=Overlap.SKIP)
    template: "models.JSONField[Any, Any]" = models.JSONField(default=dict)
    owner = models.CharField(max_length=160)
    owner_name = models.CharField(max_length=200)
    next_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="schedule_overlap_known", condition=Q(overlap__in=Overlap.values)),
        ]
        indexes: ClassVar = [models.Index(name="schedule_by_next", fields=["next_at"])]

    def __str__(self) -> str:
        return f"{self.strategy_id}: {self.cron} {self.timezone}"


class StrategyRun(models.Model):
    """One firing of a strategy's schedule: `due_at` is the time it stands for, `missed` how many times before it were
    let pass because nothing ran then."""

    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField()
    due_at = models.DateTimeField()
    fired_at = models.DateTimeField(db_default=Now())
    missed = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=8, choices=FiringState.choices, default=FiringState.FIRED)
    story = models.OneToOneField(Story, on_delete=models.PROTECT, related_name="strategy_run", null=True, blank=True)
    submitted = models.BooleanField(default=False)
    reason = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["strategy_id", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="strategy_fires_once", fields=["strategy", "due_at"]),
            models.UniqueConstraint(name="strategy_run_number_once", fields=["strategy", "number"]),
            models.CheckConstraint(name="strategy_run_state_known", condition=Q(state__in=FiringState.values)),
            models.CheckConstraint(
                name="strategy_run_planned_has_story", condition=~Q(state="planned") | Q(story__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.strategy_id} #{self.number} {self.state}"
