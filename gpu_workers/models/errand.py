"""What is to be done in a repository, or at its forge, once something was decided; and whose turn it is there."""

from typing import ClassVar

from django.db import models


class ErrandKind(models.TextChoices):
    MERGE = "merge", "Merge"
    REVERT = "revert", "Revert"
    CLOSE = "close", "Close a pull request"


class Errand(models.Model):
    """One thing to be carried out in `repository`, because of the `event` with this id; its row goes once that is done.

    `number` is the approval's of a merge and the change's of the others. `tries` are those in a row that came to nothing at
    all, `waiting_since` is when it began to wait for a forge, `reason` why it waits; `opened` marks the token whose opening
    for it is in the trail.
    """

    kind = models.CharField(max_length=10, choices=ErrandKind.choices)
    number = models.PositiveBigIntegerField()
    repository = models.CharField(max_length=60)
    event = models.BigIntegerField(unique=True)
    asked_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    waiting_since = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)
    opened = models.CharField(max_length=32, blank=True)

    class Meta:
        ordering: ClassVar = ["event"]
        indexes: ClassVar = [models.Index(name="errand_by_repository", fields=["repository", "event"])]
        constraints: ClassVar = [
            models.CheckConstraint(name="errand_kind_known", condition=models.Q(kind__in=ErrandKind.values)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class Lane(models.Model):
    """Who carries out a repository's errands, one at a time: two merges at once would each land on a base nobody approved.

    `fence` counts takeovers like a run's: the worker with the highest one and a lease is it.
    """

    repository = models.CharField(max_length=60, unique=True)
    fence = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["repository"]

    def __str__(self) -> str:
        return self.repository
