"""How long CI that is no run's has kept a machine busy, while it does."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class CIMeter(models.Model):
    """CI of a rebase or of a hand-in that is on for `task`, a reference. The row goes once that is charged.

    `seen_at` is its worker's last sign of life: a dead worker's is charged up to then.
    """

    task = models.CharField(max_length=120)
    began_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "CI meter"
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"CI of {self.task}"
