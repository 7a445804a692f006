"""Archiving an organisation: who orders it, when it waits, and what is done when something changes or breaks on the way."""

import io
import threading
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from guildhall.evidence.delivery import deliver
from guildhall.evidence.tests.poking import pokes
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.errors import Conflict, Denied, Unavailable
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.archives import archive_tenant, close_archive, seal_export
from tenants.actions.tenants import resume_tenant, suspend_tenant
from tenants.archiving.archive import archive, export_file
from tenants.archiving.container import BrokenExport
from tenants.models import TenantArchive, TenantStatus
from tenants.tests.leaving import CONSOLE, REASON, archive_of, at_rest, is_there, order, owner_db, row_of
from tests.support.evidence import OutboxEvent
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


def test_nobody_else_orders_it_and_two_at_once_are_one(
    residents: tuple[TestTenant, TestTenant], make_tenant: Callable[..., TestTenant]
) -> None:
    tenant = make_tenant()
    row = row_of(tenant)
    with platform_scope():
        suspend_tenant(actor=CONSOLE, tenant=row, reason="Has not paid for a year.")
    ordered: dict[str, Any] = {"tenant": row, "name": row.name, "reason": REASON}
    for actor in (tenant.actor("admin"), tenant.system(), residents[0].actor("admin")):
        with tenant_scope(actor.tenant), pytest.raises(Exception, match="permission denied for table tenants_tenant"):
            archive_tenant(actor=actor, **ordered)
        with tenant_scope(actor.tenant), pytest.raises(Exception, match="permission denied"):
            TenantArchive.objects.count()
    staff = Actor(kind=ActorKind.PERSON, id="x", name="Staff", tenant=PLATFORM)
    owner = Actor(kind=ActorKind.OWNER, id="x", name="Owner", tenant=PLATFORM)
    export: dict[str, Any] = {"file": "x.zip", "size": 1, "root": "0" * 64, "position": 1}
    with platform_scope():
        with pytest.raises(Denied):
            archive_tenant(actor=staff, **ordered)
        with pytest.raises(Denied, match="by itself"):
            seal_export(actor=owner, tenant=row, **export)
        with pytest.raises(Denied, match="by itself"):
            close_archive(actor=owner, tenant=row)
    outcomes = at_once(lambda: archive_tenant(actor=CONSOLE, **ordered), 3)
    assert sorted(outcomes) == ["Conflict", "Conflict", "TenantArchive"]
    with platform_scope(), pytest.raises(Conflict):
        close_archive(actor=CONSOLE, tenant=row)
    with platform_scope(), pytest.raises(Conflict):
        resume_tenant(actor=CONSOLE, tenant=row)
    with platform_scope(), pytest.raises(Exception, match="archive_dropped_after_export"):
        TenantArchive.objects.filter(tenant=row).update(dropped_at="2026-01-01T00:00:00Z")


def at_once(act: Callable[[], Any], number: int) -> list[str]:
    """What came of `number` threads that acted in the platform's scope: the names of results and errors."""
    outcomes: list[str] = []

    def work() -> None:
        try:
            with platform_scope():
                outcomes.append(type(act()).__name__)
        except Exception as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_what_changes_or_breaks_before_the_drop_is_exported_again_or_keeps_everything(
    make_tenant: Callable[..., TestTenant],
) -> None:
    """Somebody writes after the export, the file is spoiled on the disk, and in the end the chain itself is broken."""
    tenant = make_tenant()
    pokes(tenant, 3)
    order(tenant)
    happened: list[str] = []

    def meddle(boundary: str) -> None:
        happened.append(boundary)
        if happened.count("exported") == 1 and boundary == "exported":
            with owner_db() as db:  # a request that was still under way
                db.execute(
                    f"INSERT INTO {tenant.schema}.django_migrations (app, name, applied) VALUES ('late', 'row', now())"
                )
        if happened.count("published") == 2 and boundary == "verified" and "spoiled" not in happened:
            happened.append("spoiled")
            export_file(tenant.schema).write_bytes(b"PK nothing")

    retell(tenant, "thing:1", "thing:2")
    with pytest.raises(BrokenExport, match=r"position \d+, entry \d+: the entry was changed"):
        archive(tenant.schema)
    assert (is_there(tenant.schema), archive_of(tenant).root) == ((True, True), "")
    retell(tenant, "thing:2", "thing:1")
    assert archive(tenant.schema, meddle)
    assert (happened.count("published"), happened.count("dropping"), "spoiled" in happened) == (3, 1, True)
    with zipfile.ZipFile(export_file(tenant.schema)) as file:
        assert b'"app":"late"' in file.read("tables/django_migrations.jsonl")


def retell(tenant: TestTenant, before: str, after: str) -> None:
    """Rewrite the trail as only the tables' owner can."""
    query = "UPDATE evidence.audit_entry SET subject = %s WHERE tenant = %s AND subject = %s"
    with owner_db() as db:
        db.execute("ALTER TABLE evidence.audit_entry DISABLE TRIGGER USER")
        db.execute(query.encode(), [after, tenant.schema, before])
        db.execute("ALTER TABLE evidence.audit_entry ENABLE TRIGGER USER")


def test_one_that_is_not_at_rest_waits_and_the_consumer_tries_again(make_tenant: Callable[..., TestTenant]) -> None:
    tenant = make_tenant()
    pokes(tenant, 1)
    row = row_of(tenant)
    with platform_scope():
        suspend_tenant(actor=CONSOLE, tenant=row, reason="Has not paid for a year.")
    with pytest.raises(CommandError, match="Type the organisation's name exactly"):
        call_command("archive_tenant", tenant.slug, confirm="Another", reason=REASON)
    with pytest.raises(CommandError, match="the provisioner goes on with it"):
        call_command("archive_tenant", tenant.slug, confirm=row.name, reason=REASON, timeout=0)
    with pytest.raises(Unavailable, match="entries to be sealed"):
        archive(tenant.schema)
    at_rest()
    with platform_scope():
        told = OutboxEvent.objects.get(kind="tenancy.archive.ordered", payload__schema_name=tenant.schema)
        assert told.position is not None
        deliver(registered_consumers()["tenants.archive"])
    assert row_of(tenant).status == TenantStatus.ARCHIVED
    out = io.StringIO()
    call_command("archive_tenant", tenant.slug, confirm=row.name, reason=REASON, timeout=0, stdout=out)
    assert f"{tenant.schema}.zip" in out.getvalue()
    with pytest.raises(CommandError, match="not archived"):
        call_command("archive_tenant", tenant.slug, confirm="Another", reason=REASON, timeout=0)
