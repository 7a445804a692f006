from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.models import Tenant


class PlatformHold(models.Model):
    """The owner's kill switch: while a row is not lifted no run begins and no model is called in any organisation."""

    reason = models.CharField(
        max_length=300, help_text="10 to 300 characters; the people of every organisation read it."
    )
    held_by = models.CharField(max_length=160)
    held_at = models.DateTimeField(db_default=Now())
    lifted_by = models.CharField(max_length=160, blank=True)
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(  # type: ignore[call-overload]
                Q(lifted_at__isnull=True), name="platform_hold_once", condition=Q(lifted_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"hold {self.pk}"

    @property
    def ref(self) -> str:
        return f"platform-hold:{self.pk}"


class PlatformStop(models.Model):
    """One run that an owner's hold stopped, and how many commands and model calls it was in the middle of.

    Kept as the organisation's own role, out of its event; owners see it of all.
    """

    hold = models.ForeignKey(PlatformHold, on_delete=models.CASCADE, related_name="stops")
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, to_field="schema_name", db_column="tenant", related_name="+"
    )
    run = models.PositiveBigIntegerField()
    commands = models.PositiveIntegerField()
    calls = models.PositiveIntegerField()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(name="platform_stop_once", fields=["hold", "tenant", "run"])]

    def __str__(self) -> str:
        return f"run {self.run} of {self.tenant_id} by hold {self.hold_id}"
