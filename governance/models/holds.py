from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class HoldKind(models.TextChoices):
    TENANT = "tenant", "Everything"
    STRATEGY = "strategy", "A strategy"
    AGENT = "agent", "An agent"
    RUN = "run", "A run"


class Hold(models.Model):
    """The kill switch of one target: while a row is not lifted nothing new starts and running work stops.

    `stopped` is what was under way when it was placed, as `governance.halting.Halted` says it.
    """

    kind = models.CharField(max_length=8, choices=HoldKind.choices)
    target = models.CharField(max_length=160, blank=True)
    reason = models.CharField(max_length=300)
    held_by = models.CharField(max_length=160)
    held_at = models.DateTimeField(db_default=Now())
    stopped = models.JSONField(default=list)
    lifted_by = models.CharField(max_length=160, blank=True)
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="hold_once", fields=["kind", "target"], condition=Q(lifted_at__isnull=True)),
            models.CheckConstraint(name="hold_kind_known", condition=Q(kind__in=HoldKind.values)),
            models.CheckConstraint(name="hold_names_its_target", condition=Q(kind="tenant") ^ ~Q(target="")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.target}".strip()

    @property
    def ref(self) -> str:
        return f"{self.kind}:{self.target}" if self.target else self.kind
