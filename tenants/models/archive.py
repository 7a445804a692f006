"""What is left of an organisation that has left: who archived it and why, and its sealed export until its year is over."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from tenants.models.tenant import Tenant

A_YEAR = timedelta(days=365)
"""How long an export is kept at least; the database says so too."""


class TenantArchive(models.Model):
    """The archiving of one organisation, step by step; a time that is not set is a step that is not done.

    `file` is the export's name in the folder of exports, `root` the SHA-256 (hex) of its manifest, `position` how far the
    audit chain in it goes. Root and row stay when the file goes.
    """

    tenant = models.OneToOneField(
        Tenant,
        on_delete=models.PROTECT,
        to_field="schema_name",
        db_column="tenant",
        primary_key=True,
        related_name="archive",
    )
    ordered_by = models.CharField(max_length=160)
    reason = models.CharField(max_length=300)
    ordered_at = models.DateTimeField(db_default=Now())
    file = models.CharField(max_length=120, blank=True)
    size = models.BigIntegerField(null=True, help_text="In bytes.")
    root = models.CharField(max_length=64, blank=True)
    position = models.BigIntegerField(null=True)
    exported_at = models.DateTimeField(null=True)
    kept_until = models.DateTimeField(null=True)
    dropped_at = models.DateTimeField(null=True)
    purged_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "archive"
        ordering: ClassVar = ["-ordered_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="archive_export_whole",
                condition=Q(
                    root="", file="", size__isnull=True, position__isnull=True, exported_at__isnull=True,
                    kept_until__isnull=True,
                )
                | (
                    Q(root__regex="^[0-9a-f]{64}$", size__gt=0, position__gte=0, exported_at__isnull=False)
                    & Q(kept_until__gte=F("exported_at") + A_YEAR)
                    & ~Q(file="")
                ),
            ),
            models.CheckConstraint(
                name="archive_dropped_after_export", condition=Q(dropped_at__isnull=True) | ~Q(root="")
            ),
            models.CheckConstraint(
                name="archive_purged_after_its_year",
                condition=Q(purged_at__isnull=True) | Q(dropped_at__isnull=False, purged_at__gte=F("kept_until")),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"archive of {self.tenant_id}"

    @property
    def ref(self) -> str:
        """The organisation's own: its archiving is told of it."""
        return self.tenant.ref
