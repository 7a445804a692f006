"""What owners know of organisations without entering them, and their leave to enter one."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from tenants.models.tenant import Tenant

LONGEST = timedelta(hours=8)
"""How long one leave lasts at most; the database says so too."""


class StalledApprovals(models.Model):
    """An organisation in which approvals were given, are not executed and raise the alarm: how many, since when.

    A consumer keeps it up to date as the organisation's own role; without a row there are none.
    """

    tenant = models.OneToOneField(
        Tenant, on_delete=models.CASCADE, to_field="schema_name", db_column="tenant", primary_key=True, related_name="+"
    )
    number = models.PositiveIntegerField()
    since = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["since"]
        constraints: ClassVar = [models.CheckConstraint(name="stalled_approvals_some", condition=Q(number__gte=1))]

    def __str__(self) -> str:
        return f"{self.number} of {self.tenant_id}"


class SupportGrant(models.Model):
    """An owner's leave to look into one organisation for a while: for whom, why, until when.

    `owner` is the owner's reference. Nobody but that owner looks by it; `ended_at` is set when it is given back early.
    """

    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, to_field="schema_name", db_column="tenant", related_name="+"
    )
    owner = models.CharField(max_length=160)
    reason = models.CharField(max_length=300)
    given_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="support_grant_is_short", condition=Q(until__gt=F("given_at"), until__lte=F("given_at") + LONGEST)
            ),
            models.UniqueConstraint(
                name="support_grant_once", fields=["tenant", "owner"], condition=Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"support grant {self.pk}"

    @property
    def ref(self) -> str:
        return f"support-grant:{self.pk}"
