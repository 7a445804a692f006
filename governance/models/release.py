from fnmatch import fnmatchcase
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ReleaseHoldKind(models.TextChoices):
    LOCK = "lock", "Lock"
    FREEZE = "freeze", "Freeze"


class ReleaseHold(models.Model):
    """A lock of environments or a freeze that people began by hand, beside what the policy says.

    `environment` is a pattern such as `shop:main` or `*`. It holds until it is lifted or, where given, until `until`.
    """

    kind = models.CharField(max_length=8, choices=ReleaseHoldKind.choices)
    environment = models.CharField(max_length=160)
    reason = models.CharField(max_length=300)
    held_by = models.CharField(max_length=160)
    held_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=160, blank=True)
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="release_hold_once", fields=["kind", "environment"], condition=Q(lifted_at__isnull=True)
            ),
            models.CheckConstraint(name="release_hold_kind_known", condition=Q(kind__in=ReleaseHoldKind.values)),
            models.CheckConstraint(name="release_hold_names_environments", condition=~Q(environment="")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.environment}"

    def covers(self, environment: str) -> bool:
        """Whether its pattern matches an environment's name."""
        return fnmatchcase(environment, self.environment)

    @property
    def ref(self) -> str:
        return f"environment:{self.environment}"
