"""Archiving an organisation, step by step: ordered by an owner, carried out by the provisioner. In the platform's scope."""

from datetime import UTC, datetime

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from guildhall.kernel.reasons import reason_problems
from tenants.archive_events import TenantArchived, TenantArchiveOrdered, TenantExported, TenantExportPurged
from tenants.models import Tenant, TenantArchive, TenantStatus


@governed("tenant.archive", lock="tenant")
def archive_tenant(*, actor: Actor, tenant: Tenant, name: str, reason: str) -> TenantArchive:
    """Have a suspended organisation exported and then dropped; `name` is its name typed out, `reason` 10 to 300 characters.

    Raises `Invalid` for another name, and `Conflict` unless the organisation is suspended.
    """
    fields: dict[str, list[str]] = {}
    if name != tenant.name:
        fields["name"] = ["Type the organisation's name exactly as it is written."]
    if problems := reason_problems(reason):
        fields["reason"] = problems
    if fields:
        raise Invalid("The organisation was not archived.", fields=fields)
    if tenant.status != TenantStatus.SUSPENDED:
        raise Conflict(f"{tenant.name} is {tenant.get_status_display().lower()}; suspend it before you archive it.")
    tenant.status, tenant.status_reason = TenantStatus.ARCHIVING, reason.strip()
    tenant.save(update_fields=["status", "status_reason"])
    archive = TenantArchive.objects.create(tenant=tenant, ordered_by=actor.ref, reason=tenant.status_reason)
    ordered = TenantArchiveOrdered(
        subject=tenant.ref, slug=tenant.slug, schema_name=tenant.schema_name, reason=tenant.status_reason
    )
    record(ordered, actor=actor, reason=tenant.status_reason)
    return archive


@governed("tenant.seal_export", lock="tenant")
def seal_export(*, actor: Actor, tenant: Tenant, file: str, size: int, root: str, position: int) -> TenantArchive:
    """Write down the export that was made, read back and published; one of before, whose organisation changed, counts no more.

    Raises `Conflict` once the organisation is dropped, or when nobody ordered it.
    """
    archive = TenantArchive.objects.select_for_update().get(tenant=tenant)
    if tenant.status != TenantStatus.ARCHIVING or archive.dropped_at is not None:
        raise Conflict(f"{tenant.name} is {tenant.get_status_display().lower()}: there is nothing to export.")
    made, until = _year_from_now()
    archive.file, archive.size, archive.root, archive.position = file, size, root, position
    archive.exported_at, archive.kept_until = made, until
    archive.save(update_fields=["file", "size", "root", "position", "exported_at", "kept_until"])
    exported = TenantExported(
        subject=tenant.ref, slug=tenant.slug, file=file, size=size, root=root, position=position,
        until=until.astimezone(UTC).isoformat(),
    )  # fmt: skip
    record(exported, actor=actor)
    return archive


def _year_from_now() -> tuple[datetime, datetime]:
    """The database's time, and the end of the whole months that the audit trail is kept; a leap year's day counts."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT now(), greatest(now() + make_interval(months => %s), now() + interval '366 days')",
            [settings.AUDIT_MONTHS],
        )
        made, until = cursor.fetchone() or (None, None)
    if not isinstance(made, datetime) or not isinstance(until, datetime):
        raise TypeError("the database does not say what time it is")
    return made, until


@governed("tenant.close_archive", lock="tenant")
def close_archive(*, actor: Actor, tenant: Tenant) -> Tenant:
    """Call an organisation archived that has been dropped. Raises `Conflict` before that."""
    archive = TenantArchive.objects.get(tenant=tenant)
    if tenant.status != TenantStatus.ARCHIVING or archive.dropped_at is None:
        raise Conflict(f"{tenant.name} is {tenant.get_status_display().lower()} and has not been dropped.")
    tenant.status = TenantStatus.ARCHIVED
    tenant.save(update_fields=["status"])
    record(TenantArchived(subject=tenant.ref, slug=tenant.slug, root=archive.root), actor=actor)
    return tenant


@governed("tenant.purge_export", lock="archive")
def purge_export(*, actor: Actor, archive: TenantArchive) -> None:
    """Delete the file of an export whose year is over by the database's clock. Its root and who archived what stay.

    Raises `Conflict` before that and after it.
    """
    due = TenantArchive.objects.filter(pk=archive.pk, kept_until__lte=Now(), dropped_at__isnull=False)
    if archive.purged_at is not None or not due.exists():
        raise Conflict("The export is kept until its year is over.")
    # The database has its say before the file goes; after a crash in between, the next night finds no file and goes on.
    due.update(purged_at=Now())
    (settings.ARCHIVES_DIR / archive.file).unlink(missing_ok=True)
    record(TenantExportPurged(subject=archive.tenant.ref, slug=archive.tenant.slug, root=archive.root), actor=actor)
