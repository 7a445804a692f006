from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Part(models.TextChoices):
    WORKER = "worker", "Worker"
    QUEUE = "queue", "Queue"


class Stop(models.Model):
    """An owner's order: while it is not ended the worker takes nothing new, or nobody takes anything from the queue."""

    part = models.CharField(max_length=6, choices=Part.choices)
    name = models.CharField(max_length=160)
    reason = models.CharField(max_length=300, help_text="10 to 300 characters.")
    ordered_by = models.CharField(max_length=160)
    ordered_at = models.DateTimeField(db_default=Now())
    ended_by = models.CharField(max_length=160, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="fleet_stop_part_known", condition=Q(part__in=Part.values)),
            models.UniqueConstraint(
                name="fleet_stop_once", fields=["part", "name"], condition=Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"the {self.part} {self.name}"

    @property
    def ref(self) -> str:
        return f"{self.part}:{self.name}"
