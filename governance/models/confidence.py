"""How sure an agent's effect was before it was carried out, and what people thought of it afterwards."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

KEY_LENGTH = 80


class Assessment(models.Model):
    """The confidence in one effect of an agent, with the components that it was computed from.

    `subject` is what the effect is about (a task), `key` what it would do exactly (a commit), so that repeating the
    same effect finds the same assessment. `halted` says that it was below the threshold of its time. `agreed` is what
    people decided about it, null until they did.
    """

    effect = models.CharField(max_length=40)
    subject = models.CharField(max_length=160)
    key = models.CharField(max_length=KEY_LENGTH)
    agent = models.CharField(max_length=160)
    run = models.CharField(max_length=120, blank=True)
    components: "models.JSONField[Any, Any]" = models.JSONField()
    formula = models.PositiveSmallIntegerField()
    score = models.DecimalField(max_digits=5, decimal_places=4)
    threshold = models.DecimalField(max_digits=5, decimal_places=4)
    halted = models.BooleanField()
    reasons: "models.JSONField[Any, Any]" = models.JSONField(default=list)
    policy_version = models.PositiveIntegerField()
    made_at = models.DateTimeField(db_default=Now())
    agreed = models.BooleanField(null=True)
    judged_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="assessment_once", fields=["effect", "subject", "key"]),
            models.CheckConstraint(
                name="assessment_between_0_and_1", condition=Q(score__gte=0, score__lte=1, threshold__gte=0)
            ),
            models.CheckConstraint(
                name="assessment_halts_below",
                condition=Q(halted=True, score__lt=models.F("threshold"))
                | Q(halted=False, score__gte=models.F("threshold")),
            ),
            models.CheckConstraint(
                name="assessment_judged_with_time",
                condition=Q(agreed__isnull=True, judged_at__isnull=True)
                | Q(agreed__isnull=False, judged_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.score} for {self.effect} of {self.subject}"

    @property
    def ref(self) -> str:
        return f"assessment:{self.pk}"
