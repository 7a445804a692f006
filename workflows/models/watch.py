"""Who follows a story or a task, and what they have been told about it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from workflows.models.comment import Comment
from workflows.models.story import Story
from workflows.models.task import Task
from workflows.models.tree import Strategy


class NoticeKind(models.TextChoices):
    MENTION = "mention", "Mentioned you"
    COMMENT = "comment", "Commented"
    ASSIGNED = "assigned", "Made you responsible"
    MOVED = "moved", "Moved"
    COUNCIL = "council", "A council ended"


class Watch(models.Model):
    """A person who follows a story, or only one task of it. `wanted` False: they said that they do not want to.

    `created_at` is since when they do, or do not.
    """

    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="watches")
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="watches", null=True, blank=True)
    person = models.CharField(max_length=160)
    wanted = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(name="watch_once", fields=["story", "task", "person"], nulls_distinct=False)
        ]
        indexes: ClassVar = [models.Index(name="watch_by_person", fields=["person", "story"])]

    def __str__(self) -> str:
        return f"{self.person} watches {self.task_id or self.story_id}"


class Notice(models.Model):
    """One line in a person's inbox: about a story, with the task or comment of it, or about a strategy.

    `event` is the outbox event that it tells, 0 where the act itself wrote it.
    """

    person = models.CharField(max_length=160)
    kind = models.CharField(max_length=10, choices=NoticeKind.choices)
    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="notices", null=True, blank=True)
    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="notices", null=True, blank=True)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="notices", null=True, blank=True)
    comment = models.ForeignKey(Comment, on_delete=models.CASCADE, related_name="notices", null=True, blank=True)
    event = models.BigIntegerField(default=0)
    sentence = models.CharField(max_length=300)
    actor = models.CharField(max_length=160)
    actor_name = models.CharField(max_length=200)
    read_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="notice_kind_known", condition=Q(kind__in=NoticeKind.values)),
            models.CheckConstraint(
                name="notice_about_one",
                condition=Q(story__isnull=False, strategy__isnull=True)
                | Q(story__isnull=True, strategy__isnull=False, task__isnull=True, comment__isnull=True),
            ),
            models.UniqueConstraint(name="notice_once", fields=["person", "event"], condition=~Q(event=0)),
        ]
        indexes: ClassVar = [
            models.Index(name="notice_by_person", fields=["person", "-id"]),
            models.Index(name="notice_unread", fields=["person"], condition=Q(read_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.sentence}"
