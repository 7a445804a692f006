"""What people and reviewing agents say about single lines of a change."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from gpu_workers.models.change import ChangeRequest


class Side(models.TextChoices):
    NEW = "new", "After the change"
    OLD = "old", "Before the change"


class ChangeRemark(models.Model):
    """A remark on `line` (from 1) of `path` as it is on one `side` of the diff up to `commit_sha`, the change's head then.

    Once the change is at another commit the remark is outdated: it stays, with the commit that it was made for. Its author
    may mend it (`version` counts) or take it back until a run has read it.
    """

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="remarks")
    commit_sha = models.CharField(max_length=64)
    path = models.CharField(max_length=1000)
    side = models.CharField(max_length=3, choices=Side.choices, default=Side.NEW)
    line = models.PositiveIntegerField()
    text = models.TextField()
    author = models.CharField(max_length=160)
    author_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())
    version = models.PositiveIntegerField(default=1, db_default=1)
    edited_at = models.DateTimeField(null=True)
    read_by = models.PositiveIntegerField(null=True)
    """The number of the first run that was told of it."""

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="remark_says_something", condition=~Q(text="")),
            models.CheckConstraint(name="remark_side_known", condition=Q(side__in=Side.values)),
            models.CheckConstraint(name="remark_line_counts_from_one", condition=Q(line__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"
