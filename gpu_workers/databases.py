"""The databases that projects name: tried before they are kept, sealed, asked and migrated on behalf of an agent."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence

from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

from gpu_workers.actions.databases import connect_database, connect_migrator
from gpu_workers.connections import check_may_name, named
from gpu_workers.forges.addresses import Network
from gpu_workers.forges.vault import Opening, opened, seal
from gpu_workers.models import ProjectDatabase, ProjectMigrator
from gpu_workers.models.database import DatabaseLogin
from gpu_workers.reach.bounds import networks
from gpu_workers.reach.deadline import TooLong
from gpu_workers.reach.migrating import Done, migrate, migrator_faults
from gpu_workers.reach.querying import Database, QueryError, Rows, faults, parameters, query
from gpu_workers.reach.recording import Migration
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid, Unavailable
from guildhall.kernel.redaction import keep_secret, tried_secret
from guildhall.kernel.tenancy import current_tenant, release_connection

ADDRESS = "database's address"
MIGRATOR_ADDRESS = "migrating login's address"
SCHEMA = r"^[a-z_][a-z0-9_]{0,62}\Z"
MOST_SCHEMAS = 20


def connect(*, actor: Actor, project: str, address: str, schemas: list[str]) -> ProjectDatabase:
    """Let a project's agents read a database. Raises `Invalid`, `Conflict`, `Denied` and `Unavailable`.

    The login is tried first: one that could do more than read what was named is refused, with what it could do.
    """
    check_may_name(actor, "database.connect", ProjectDatabase, project)
    place = _tried(address, schemas, faults, "Give a login that can only read.")
    return connect_database(
        actor=actor, project=project, address=seal(address, sealed_for(project)), place=place, schemas=schemas
    )


def connect_for_migrations(*, actor: Actor, project: str, address: str, schemas: list[str]) -> ProjectMigrator:
    """Name the login that migrations are applied with, once people allow each. Raises as `connect` does.

    It is tried first: one that could reach beyond its own database, or make nothing in it, is refused.
    """
    check_may_name(actor, "database.connect_migrator", ProjectMigrator, project)
    place = _tried(address, schemas, migrator_faults, "Give a login that owns its things and nothing else.")
    sealed = seal(address, migrator_sealed_for(project))
    return connect_migrator(actor=actor, project=project, address=sealed, place=place, schemas=schemas)


def _tried(
    address: str, schemas: list[str], looked: Callable[[Database, Sequence[Network]], list[str]], wanted: str
) -> str:
    """Where an address with a fit login leads, without the login. Raises `Invalid`, `Unavailable`."""
    _refuse_unusable(address, schemas)
    opened = networks(settings.TOOL_NETWORKS)
    known = parameters(address, opened)
    release_connection()
    try:
        with tried_secret(str(known["password"])):
            wrong = looked(Database(address, tuple(schemas)), opened)
    except (QueryError, TooLong) as away:
        raise Unavailable(str(away)) from away
    if wrong:
        raise Invalid(wanted, fields={"address": [f"This login {fault}." for fault in wrong]})
    keep_secret(str(known["password"]), tenant=current_tenant())
    return f"{known['host']}:{known['port']}/{known['dbname']}"[:300]


def _refuse_unusable(address: str, schemas: list[str]) -> None:
    problems: dict[str, list[str]] = {}
    if not 1 <= len(address) <= 500:
        problems["address"] = ["Give an address like postgresql://reader:password@host:5432/shop."]
    if not 1 <= len(schemas) <= MOST_SCHEMAS or not all(re.match(SCHEMA, name) for name in schemas):
        problems["schemas"] = [f"Name 1 to {MOST_SCHEMAS} schemas: lower-case letters, digits and _."]
    if problems:
        raise Invalid("The database was not connected.", fields=problems)


def ask(project: str, question: str, opening: Opening, cancel: threading.Event | None = None) -> Rows | None:
    """What the project's database answers to one SELECT; None where the project names none. Raises QueryError.

    That its address was read is recorded as `opening` says. No connection of ours is held meanwhile.
    """
    row = named(ProjectDatabase, project)
    if row is None:
        return None
    address = _unsealed(row, sealed_for(project), ADDRESS, opening)
    release_connection()
    try:
        return query(Database(address, tuple(row.schemas)), question, networks(settings.TOOL_NETWORKS), cancel)
    except (TooLong, Invalid, Unavailable) as away:
        raise QueryError(str(away)) from away


def apply_migrations(
    row: ProjectMigrator,
    migrations: Sequence[Migration],
    opening: Opening,
    *,
    again: bool,
    cancel: threading.Event | None = None,
) -> list[Done]:
    """Apply to the database of `row`, which the caller compared with what people allowed.

    That its address was read is recorded as `opening` says. No connection of ours is held meanwhile. Raises MigrateError,
    `Invalid`, `Unavailable`.
    """
    address = _unsealed(row, migrator_sealed_for(row.project), MIGRATOR_ADDRESS, opening)
    release_connection()
    database = Database(address, tuple(row.schemas))
    return migrate(database, migrations, networks(settings.TOOL_NETWORKS), again=again, cancel=cancel)


def _unsealed(row: DatabaseLogin, about: str, what: str, opening: Opening) -> str:
    address = opened(row.address, about, subject=row.ref, what=what, opening=opening)
    keep_secret(str(conninfo_to_dict(address).get("password")), tenant=current_tenant())
    return address


def sealed_for(project: str) -> str:
    """What a project's address is sealed for."""
    return f"database of {project}"


def migrator_sealed_for(project: str) -> str:
    """What the address of a project's migrations is sealed for."""
    return f"migrations of {project}"
