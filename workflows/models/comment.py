"""What people and agents say about stories and tasks."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from workflows.models.story import Story
from workflows.models.task import Task


class Comment(models.Model):
    """Markdown as it was typed, on a story or on one of its tasks.

    `mentions` are the plain references that its handles stood for when it was written. Its text is searched through a
    generated column that Django never loads (`workflows.selectors.search`).
    """

    story = models.ForeignKey(Story, on_delete=models.PROTECT, related_name="comments")
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="comments", null=True, blank=True)
    text = models.TextField()
    author = models.CharField(max_length=160)
    author_name = models.CharField(max_length=200)
    mentions = ArrayField(models.CharField(max_length=160), default=list, blank=True)
    client_visible = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)
    edited_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.CheckConstraint(name="comment_says_something", condition=~Q(text=""))]
        indexes: ClassVar = [
            models.Index(name="comment_by_story", fields=["story", "task", "id"]),
            models.Index(name="comment_by_task", fields=["task", "id"], condition=Q(task__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.author_name}: {self.text[:60]}"

    @property
    def item(self) -> Story | Task:
        """What it is about."""
        return self.task or self.story
