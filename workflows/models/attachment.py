"""Files that people put beside a story or a task."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from workflows.models.story import Story
from workflows.models.task import Task

MAX_BYTES = 8 * 1024 * 1024


class Attachment(models.Model):
    """One file: `name` is what readers see and download, `stored` where it lies in the tenant's own folder."""

    story = models.ForeignKey(Story, on_delete=models.PROTECT, related_name="attachments")
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="attachments", null=True, blank=True)
    name = models.CharField(max_length=120)
    stored = models.CharField(max_length=120)
    size = models.PositiveIntegerField()
    media_type = models.CharField(max_length=60)
    sha256 = models.CharField(max_length=64)
    author = models.CharField(max_length=160)
    author_name = models.CharField(max_length=200)
    client_visible = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="attachment_stored_once", fields=["stored"]),
            models.CheckConstraint(name="attachment_size_bounded", condition=Q(size__gt=0, size__lte=MAX_BYTES)),
        ]
        indexes: ClassVar = [models.Index(name="attachment_by_story", fields=["story", "task"])]

    def __str__(self) -> str:
        return self.name

    @property
    def item(self) -> Story | Task:
        """What it lies beside."""
        return self.task or self.story
