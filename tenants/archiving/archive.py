"""Carrying out the archiving of an organisation. Only the provisioner can: it needs the owner's login.

Everything is read in one snapshot into one file; the file is read back, its root is published outside the database and
written down; then, with every table locked, the file is verified once more and compared with what is there, and in the
same transaction all of it is dropped. What is done after a crash depends on what is written down alone.
"""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from psycopg import sql

from guildhall.evidence.chain import verify
from guildhall.evidence.exported import chain_end, drop_stream, unfinished
from guildhall.evidence.roots import publish_export, read_expired, read_exports, read_published
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.tenancy import platform_scope, release_connection
from tenants.actions.archives import close_archive, seal_export
from tenants.archiving.container import BrokenExport, Verified, verify_export, write_export
from tenants.archiving.parts import Connection, media_folder, parts_of, referring, rooms, tables_of
from tenants.models import Tenant, TenantArchive, TenantStatus
from tenants.provisioning.schema import drop_in, provisioning_lock

logger = logging.getLogger(__name__)
TRIES = 3
ACTOR = "provisioner"
KEPT = frozenset({"tenants_domain", "tenants_tenantarchive"})
"""Tables of which an organisation's rows stay: its host names stay taken, and who archived it stays known."""

Observer = Callable[[str], None]


def ignore(boundary: str) -> None:
    """The observer of everyday: tests have others, who kill the process there."""


def archive(schema: str, observe: Observer = ignore) -> bool:
    """Export and drop the organisation of `schema`, going on wherever an earlier try ended; False when nobody wants that.

    `observe` is told of each boundary between steps. Raises `Unavailable` while something is still under way there,
    `BrokenExport` when what was written cannot be read back or its audit chain is broken: then nothing is dropped.
    """
    with provisioning_lock(schema):
        tenant, row = _state(schema)
        if tenant is None or row is None or tenant.status != TenantStatus.ARCHIVING:
            return False
        if row.dropped_at is None:
            _settle(schema)
            if not any(_export_and_drop(tenant, observe) for _ in range(TRIES)):
                raise Unavailable(f"{tenant.name} goes on changing while it is exported.")
        observe("dropped")
        for folder in [media_folder(schema), *(folder for room in rooms() for folder in room.folders(schema))]:
            shutil.rmtree(folder, ignore_errors=True)
        observe("emptied")
        with platform_scope():
            close_archive(actor=system_actor(ACTOR, PLATFORM), tenant=tenant)
        return True


def _state(schema: str) -> tuple[Tenant | None, TenantArchive | None]:
    with platform_scope():
        found = (
            Tenant.objects.filter(schema_name=schema).first(),
            TenantArchive.objects.filter(tenant_id=schema).first(),
        )
    release_connection()
    return found


def export_file(schema: str) -> Path:
    """Where the export of `schema` lies: one name, so there is one file."""
    return Path(settings.ARCHIVES_DIR) / f"{schema}.zip"


def read_back(schema: str) -> Verified:
    """The export as it lies on the disk, verified whole. Raises `BrokenExport`."""
    folder = settings.SEALS_DIR
    return verify_export(export_file(schema), read_exports(folder), read_published(folder), read_expired(folder))


def _settle(schema: str) -> None:
    """End what can be ended, and wait for what cannot. Raises `Unavailable`, which the consumer answers by trying again,
    and `BrokenExport` where the audit trail does not verify: it is evidence, and stays where it is."""
    for room in rooms():
        if left := room.unfinished(schema):
            raise Unavailable(f"{schema} is not at rest: {left}.")
    published, gone = read_published(settings.SEALS_DIR), read_expired(settings.SEALS_DIR)
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
        if left := unfinished(db, schema):
            raise Unavailable(f"{schema} is not at rest: there are {left}.")
        report = verify(db, schema, published.get(schema, {}), gone.get(schema, {}))
    if report.broken:
        raise BrokenExport(f"The audit trail is broken, so nothing is exported or dropped. {report}")


def _export_and_drop(tenant: Tenant, observe: Observer) -> bool:
    """One try; False when the organisation changed between export and drop, so that there has to be another export."""
    _, row = _state(tenant.schema_name)
    if row is None or not row.root:
        _export(tenant, observe)
        observe("exported")
    _, row = _state(tenant.schema_name)
    return row is not None and _drop(tenant, row.root, observe)


def _export(tenant: Tenant, observe: Observer) -> None:
    schema, path = tenant.schema_name, export_file(tenant.schema_name)
    with _snapshot(lock="") as db:
        position, root = chain_end(db, schema)
        about = {
            "tenant": schema,
            "slug": tenant.slug,
            "name": tenant.name,
            "made_at": datetime.now(UTC).isoformat(),
            "platform": version("guildhall-server"),
            "chain": {"position": position, "root": root},
        }
        sealed = write_export(path, about, parts_of(db, schema))
    observe("written")
    publish_export(settings.SEALS_DIR, schema, position, bytes.fromhex(sealed.root))
    observe("published")
    found = read_back(schema)
    if (found.root, found.sources) != (sealed.root, sealed.sources):
        raise BrokenExport(f"{path.name} is not what was written")
    observe("verified")
    with platform_scope():
        seal_export(
            actor=system_actor(ACTOR, PLATFORM),
            tenant=tenant,
            file=path.name,
            size=sealed.size,
            root=sealed.root,
            position=position,
        )
    release_connection()


@contextmanager
def _snapshot(lock: str) -> Iterator[Connection]:
    """A transaction of the owner's that sees one moment; with `lock` (a schema), nobody else touches that schema meanwhile."""
    with psycopg.connect(settings.DATABASE_ADMIN_URL) as db:
        db.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        db.execute("SET timezone = 'UTC'")
        db.execute("SET bytea_output = 'hex'")
        tables = tables_of(db, lock) if lock else []
        db.commit()
        if tables:
            # The first statement, and LOCK takes no snapshot: what is seen is what was committed before the lock came.
            names = sql.SQL(", ").join(sql.Identifier(lock, table) for table in tables)
            db.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
        yield db


def _drop(tenant: Tenant, root: str, observe: Observer) -> bool:
    """Drop what the export holds, if the export on the disk is whole and is what is there; else nothing."""
    schema = tenant.schema_name
    with _snapshot(lock=schema) as db:
        try:
            found: Verified | None = read_back(schema)
        except BrokenExport as problem:
            logger.warning("the export of %s is made again: %s", schema, problem)
            found = None
        if found is None or found.root != root or found.sources != _sources(db, schema):
            db.rollback()
            _export(tenant, observe)
            return False
        observe("compared")
        drop_stream(db, schema)
        for table, column, _, key, _ in referring(db):
            if table not in KEPT:
                _forget(db, table, column, key, schema)
        db.execute("DELETE FROM public.tenants_session WHERE tenant = %s", [schema])
        drop_in(db, schema)
        db.execute("UPDATE public.tenants_tenantarchive SET dropped_at = now() WHERE tenant = %s", [schema])
        observe("dropping")
    return True


def _sources(db: Connection, schema: str) -> dict[str, str]:
    return {part.name: part.fingerprint() for part in parts_of(db, schema)}


def _forget(db: Connection, table: str, column: str, key: str, schema: str) -> None:
    where = "DELETE FROM public.{} WHERE {} = (SELECT {} FROM public.tenants_tenant WHERE schema_name = %s)"
    names: list[Any] = [sql.Identifier(table), sql.Identifier(column), sql.Identifier(key)]
    db.execute(sql.SQL(where).format(*names), [schema])
