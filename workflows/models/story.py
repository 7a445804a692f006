"""Stories and what they wait for."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django_fsm import RETURN_VALUE, FSMField, transition

from guildhall.kernel.stateful import StatefulModel
from workflows.machines import STORY
from workflows.models.tree import Epic, Project, Strategy
from workflows.readiness import PRIORITIES, SIZES


class Story(StatefulModel):
    """Something to be delivered. `risk_labels` None means not looked at yet; `version` rises with every change.

    `epic_rank` is its place among the stories of its epic, those of one rank by their number.
    """

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="stories")
    epic = models.ForeignKey(Epic, on_delete=models.PROTECT, related_name="stories", null=True, blank=True)
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="stories", null=True, blank=True)
    epic_rank = models.PositiveIntegerField(default=0)
    sprint = models.ForeignKey("Sprint", on_delete=models.PROTECT, related_name="stories", null=True, blank=True)
    number = models.PositiveIntegerField()
    reference = models.CharField(max_length=24)
    title = models.CharField(max_length=200)
    brief = models.TextField(blank=True)
    evidence = models.TextField(blank=True)
    acceptance = ArrayField(models.TextField(), default=list, blank=True)
    size = models.CharField(max_length=2, blank=True)
    priority = models.CharField(max_length=8, blank=True)
    risk_labels = ArrayField(models.CharField(max_length=60), null=True, blank=True)
    dependencies_stated = models.BooleanField(default=False)
    budget_usd = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)
    business_notes = models.TextField(blank=True)
    client_visible = models.BooleanField(default=False)
    dor_score = models.PositiveSmallIntegerField(default=0)
    dor_checklist: "models.JSONField[Any, Any]" = models.JSONField(default=list)
    author = models.CharField(max_length=160)
    author_name = models.CharField(max_length=200)
    assignee = models.CharField(max_length=160, blank=True)
    assignee_name = models.CharField(max_length=200, blank=True)
    state = FSMField(max_length=24, choices=list(STORY.states.items()), default=STORY.initial, protected=True)
    feedback = models.TextField(blank=True)
    tasks_made = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "story"
        ordering: ClassVar = ["project_id", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="story_number_once", fields=["project", "number"]),
            models.UniqueConstraint(name="story_reference_once", fields=["reference"]),
            models.CheckConstraint(name="story_state_known", condition=Q(state__in=list(STORY.states))),
            models.CheckConstraint(name="story_size_known", condition=Q(size__in=["", *SIZES])),
            models.CheckConstraint(name="story_priority_known", condition=Q(priority__in=["", *PRIORITIES])),
            models.CheckConstraint(name="story_score_range", condition=Q(dor_score__lte=100)),
            models.CheckConstraint(
                name="story_budget_positive", condition=Q(budget_usd__isnull=True) | Q(budget_usd__gt=0)
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="story_by_state", fields=["state"]),
            models.Index(name="story_lane", fields=["state", "-changed_at", "-id"]),
            models.Index(name="story_by_change", fields=["-changed_at", "-id"]),
            models.Index(name="story_by_assignee", fields=["assignee"], condition=~Q(assignee="")),
            models.Index(name="story_in_epic", fields=["epic", "epic_rank", "id"], condition=Q(epic__isnull=False)),
            models.Index(name="story_by_title", fields=["title", "id"]),
            models.Index(name="story_by_score", fields=["dor_score", "id"]),
            models.Index(name="story_by_reference", fields=["reference"], opclasses=["varchar_pattern_ops"]),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.title}"

    @property
    def ref(self) -> str:
        return f"story:{self.reference}"

    @transition(field=state, source="*", target=RETURN_VALUE(*STORY.states))
    def follow(self, action: str) -> str:
        """Move as the table says. Raises ValueError where it has no such row."""
        return STORY.target(self.state, action)


class StoryDependency(models.Model):
    """`story` needs `needs` done first."""

    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="dependencies")
    needs = models.ForeignKey(Story, on_delete=models.PROTECT, related_name="needed_by")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(name="story_dependency_once", fields=["story", "needs"]),
            models.CheckConstraint(name="story_dependency_not_itself", condition=~Q(story=F("needs"))),
        ]

    def __str__(self) -> str:
        return f"{self.story_id} needs {self.needs_id}"
