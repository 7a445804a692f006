"""What a provider says it was asked and what the ledger says, side by side."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from governance.models.money import Money


class Reconciliation(models.Model):
    """One comparison of a provider's own usage with the ledger, over calls reserved from `since` to before `until`.

    `problem` says why there is no comparison (the provider did not answer); then every figure is 0.
    """

    provider = models.CharField(max_length=60)
    since = models.DateTimeField()
    until = models.DateTimeField()
    calls = models.PositiveIntegerField(default=0)
    ledger_cost = Money(default=0)
    provider_cost = Money(default=0)
    corrected = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)
    made_by = models.CharField(max_length=160)
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="reconciliation_forward", condition=Q(until__gt=models.F("since"))),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M}"

    @property
    def ref(self) -> str:
        return f"reconciliation:{self.pk}"


class DifferenceKind(models.TextChoices):
    AMOUNT = "amount", "Counted otherwise"
    UNCHARGED = "uncharged", "Not charged"
    UNKNOWN = "unknown", "Not known to the provider"


class Difference(models.Model):
    """One call that provider and ledger tell differently. `corrected` when an estimate was put right with it."""

    reconciliation = models.ForeignKey(Reconciliation, on_delete=models.CASCADE, related_name="differences")
    kind = models.CharField(max_length=10, choices=DifferenceKind.choices)
    reservation = models.UUIDField()
    key = models.CharField(max_length=200)
    owner = models.CharField(max_length=160)
    model = models.CharField(max_length=160)
    ledger_cost = Money()
    provider_cost = Money()
    tokens_in = models.PositiveBigIntegerField(default=0)
    tokens_out = models.PositiveBigIntegerField(default=0)
    tokens_cached = models.PositiveBigIntegerField(default=0)
    corrected = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="difference_once", fields=["reconciliation", "reservation"]),
            models.CheckConstraint(name="difference_kind_known", condition=Q(kind__in=DifferenceKind.values)),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.ledger_cost} and {self.provider_cost} USD"
