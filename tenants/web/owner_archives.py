"""Archiving organisations in the owner console, and what is kept of those that have left."""

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from unfold.widgets import UnfoldAdminTextInputWidget

from guildhall.owner.decorators import display
from guildhall.owner.model_admin import Act, GovernedAdmin, ReasonForm, acting_on
from tenants.actions.archives import archive_tenant
from tenants.models import TenantArchive
from tenants.web.owner_names import by_name, with_names


class ArchiveForm(ReasonForm):
    """The name typed out, and why."""

    name = forms.CharField(
        max_length=120, strip=False, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        label="The organisation's name", help_text="Typed out, exactly as it is written above.",
    )  # fmt: skip
    field_order = ("name", "reason")


ARCHIVE = Act(
    title="Archive {}",
    consequence="Everything of this organisation is written to one sealed file, which is read back and verified. Then its "
    "schema, its people's memberships, keys and sessions, its repositories and its files are deleted. This cannot be undone. "
    "The file is kept for a year, its audit trail until each month of it expires; its names are given to nobody else.",
    button="Archive for good",
    done="{} is being archived.",
    perform=acting_on("tenant", archive_tenant),
    form=ArchiveForm,
    danger=True,
)
STEPS = {"Ordered": "info", "Exported": "info", "Dropped": "warning", "Kept": "success", "Export deleted": "default"}


@admin.register(TenantArchive)
class ArchiveAdmin(GovernedAdmin):
    """Who was archived, by whom and why, and the export: its size, root, and until when it is kept."""

    list_display = ("organisation", "step", "shown_size", "short_root", "kept_until", "orderer", "ordered_at")
    list_select_related = ("tenant",)
    search_fields = ("tenant__name", "tenant__slug", "root")
    fields = (
        "organisation", "step", "reason", "orderer", "ordered_at", "file", "shown_size", "whole_root", "position",
        "exported_at", "kept_until", "dropped_at", "purged_at",
    )  # fmt: skip
    readonly_fields = ("organisation", "step", "orderer", "shown_size", "whole_root")
    orderer = by_name("ordered_by", "ordered by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TenantArchive]:
        return with_names(super().get_queryset(request).select_related("tenant"), "ordered_by")

    @display("organisation", ordering="tenant__name")
    def organisation(self, row: TenantArchive) -> str:
        return f"{row.tenant.name} ({row.tenant.slug})"

    @display("step", label=STEPS)
    def step(self, row: TenantArchive) -> str:
        if row.purged_at is not None:
            return "Export deleted"
        if row.dropped_at is not None:
            return "Kept" if row.tenant.status == "archived" else "Dropped"
        return "Exported" if row.root else "Ordered"

    @display("size", ordering="size")
    def shown_size(self, row: TenantArchive) -> str:
        return filesizeformat(row.size) if row.size else "–"

    @display("root")
    def whole_root(self, row: TenantArchive) -> str:
        """It may be broken where a phone's screen ends, and is copied in one piece."""
        pieces = ((row.root[start : start + 16],) for start in range(0, len(row.root), 16))
        return format_html_join(mark_safe("<wbr>"), "{}", pieces) or "–"

    @display("root")
    def short_root(self, row: TenantArchive) -> str:
        return row.root[:12] or "–"
