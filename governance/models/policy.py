from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Policy(models.Model):
    """One version of the tenant's policy. At most one is active; without one everything is denied."""

    version = models.PositiveIntegerField(unique=True)
    text = models.TextField()
    document: "models.JSONField[Any, Any]" = models.JSONField()
    digest = models.CharField(max_length=64)
    active = models.BooleanField(default=False)
    made_by = models.CharField(max_length=160)
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-version"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="policy_one_active", fields=["active"], condition=Q(active=True)),
        ]

    def __str__(self) -> str:
        return f"policy {self.version}"

    @property
    def ref(self) -> str:
        return f"policy:{self.version}"
