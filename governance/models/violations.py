"""What agents did or were about to do against the rules, and what people think of it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ViolationKind(models.TextChoices):
    COMMAND = "command", "Denied command"
    PATH = "path", "Denied file"
    TOOL = "tool", "Tool outside the role"
    NETWORK = "network", "Network"
    SECRET = "secret", "Secret"
    PATTERN = "pattern", "Pattern of the policy"
    LOOP = "loop", "Loop"


class ViolationEffect(models.TextChoices):
    BLOCKED = "blocked", "Blocked before it happened"
    REDACTED = "redacted", "Taken out of what was kept"
    STOPPED = "stopped", "Stopped the run"


class ViolationVerdict(models.TextChoices):
    OPEN = "open", "Not looked at"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    FALSE_POSITIVE = "false_positive", "False positive"


class Violation(models.Model):
    """One breach. `source` names the happening, so that a run that goes on after a crash reports it once.

    `excerpt` is what it was seen in, without secrets; `points` is what it has cost the agent's reputation, as given.
    """

    kind = models.CharField(max_length=10, choices=ViolationKind.choices)
    effect = models.CharField(max_length=10, choices=ViolationEffect.choices)
    rule = models.CharField(max_length=300, blank=True)
    what = models.CharField(max_length=500)
    excerpt = models.TextField(blank=True)
    agent = models.CharField(max_length=160)
    subject = models.CharField(max_length=160)
    story = models.CharField(max_length=160, blank=True)
    stops = models.BooleanField(default=False)
    source = models.CharField(max_length=200, unique=True)
    at = models.DateTimeField(db_default=Now())
    verdict = models.CharField(
        max_length=14, choices=ViolationVerdict.choices, default=ViolationVerdict.OPEN, db_default=ViolationVerdict.OPEN
    )
    note = models.CharField(max_length=500, blank=True)
    judged_by = models.CharField(max_length=160, blank=True)
    judged_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(name="violation_by_subject", fields=["subject", "id"]),
            models.Index(name="violation_open", fields=["-id"], condition=Q(verdict="open")),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(name="violation_kind_known", condition=Q(kind__in=ViolationKind.values)),
            models.CheckConstraint(name="violation_effect_known", condition=Q(effect__in=ViolationEffect.values)),
            models.CheckConstraint(name="violation_verdict_known", condition=Q(verdict__in=ViolationVerdict.values)),
            models.CheckConstraint(name="violation_judged_by_somebody", condition=Q(verdict="open") ^ ~Q(judged_by="")),
        ]

    def __str__(self) -> str:
        return f"violation {self.pk}: {self.kind}"

    @property
    def ref(self) -> str:
        return f"violation:{self.pk}"


class Allowance(models.Model):
    """How often something limited was done in one calendar window (UTC). The row's lock lets one through at a time."""

    name = models.CharField(max_length=40)
    began = models.DateTimeField()
    used = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(name="allowance_once", fields=["name", "began"])]

    def __str__(self) -> str:
        return f"{self.name} since {self.began:%Y-%m-%d %H:%M}: {self.used}"
