"""The issue tracker of a project, and what was imported from it."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from gpu_workers.models.connection import ProjectConnection


class TrackerKind(models.TextChoices):
    GITHUB = "github", "GitHub Issues"
    LINEAR = "linear", "Linear"


class ProjectTracker(ProjectConnection):
    """`place` is `owner/name` at GitHub, a team's key at Linear; `token` is sealed."""

    NOUN: ClassVar[str] = "issue tracker"

    kind = models.CharField(max_length=8, choices=TrackerKind.choices)
    api_url = models.CharField(max_length=200)
    place = models.CharField(max_length=200)
    token = models.TextField()

    class Meta(ProjectConnection.Meta):
        constraints: ClassVar = [
            models.CheckConstraint(name="tracker_kind_known", condition=models.Q(kind__in=TrackerKind.values)),
        ]

    def __str__(self) -> str:
        return self.place


class ImportedIssue(models.Model):
    """An issue became a story (its reference). It stays known when the tracker is taken away, so that none comes twice."""

    project = models.CharField(max_length=12)
    kind = models.CharField(max_length=8, choices=TrackerKind.choices)
    place = models.CharField(max_length=200)
    key = models.CharField(max_length=40)
    url = models.CharField(max_length=300, blank=True)
    story = models.CharField(max_length=24)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="imported_kind_known", condition=models.Q(kind__in=TrackerKind.values)),
            models.UniqueConstraint(name="issue_imported_once", fields=["project", "kind", "place", "key"]),
        ]

    def __str__(self) -> str:
        return f"{self.key} as {self.story}"
