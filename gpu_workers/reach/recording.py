"""How a framework keeps which migrations a database has: Django in a table of names, Alembic in one of versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
from psycopg import sql

Connection = psycopg.AsyncConnection[Any]


class Stale(RuntimeError):
    """The database is not as the plan has it; the message says how."""


class Migration(Protocol):
    """One migration with its statements, which leave the record to `record`, and run in one transaction with it."""

    @property
    def name(self) -> str: ...

    @property
    def statements(self) -> tuple[str, ...]: ...

    async def record(self, connection: Connection, schemas: Sequence[str]) -> None:
        """Write down that the database has it, or look whether its own statements did. Raises Stale."""
        ...


class Ledger(Protocol):
    """What a database has."""

    def settle(self, migrations: Sequence[Any], *, again: bool) -> list[Any]:
        """Those of `migrations`, from the first on, that it has; that may be any with `again` alone. Raises Stale."""
        ...


@dataclass(frozen=True, slots=True)
class DjangoMigration:
    """`requires` are the migrations that it follows, as `app.name`."""

    app: str
    migration: str
    statements: tuple[str, ...]
    requires: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.app}.{self.migration}"

    async def record(self, connection: Connection, schemas: Sequence[str]) -> None:
        table = sql.Identifier(await _place("django_migrations", connection, schemas), "django_migrations")
        line = sql.SQL("INSERT INTO {} (app, name, applied) VALUES (%s, %s, pg_catalog.now())").format(table)
        await connection.execute(line, [self.app, self.migration])


@dataclass(frozen=True, slots=True)
class DjangoLedger:
    applied: frozenset[str]

    def settle(self, migrations: Sequence[DjangoMigration], *, again: bool) -> list[DjangoMigration]:
        there = [one for one in migrations if one.name in self.applied]
        if there and not (again and there == list(migrations[: len(there)])):
            raise Stale(f"The database has {', '.join(one.name for one in there)[:300]} already.")
        known = set(self.applied)
        for one in migrations:
            if missing := [name for name in one.requires if name not in known]:
                raise Stale(f"{one.name} follows {', '.join(missing)[:300]}, which the database does not have.")
            known.add(one.name)
        return there


@dataclass(frozen=True, slots=True)
class AlembicUpgrade:
    """A range of revisions: its statements move the version from `start` ("" for none) to `end` themselves."""

    start: str
    end: str
    statements: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"upgrade {self.start or 'base'} to {self.end}"

    async def record(self, connection: Connection, schemas: Sequence[str]) -> None:
        if (found := await _versions(connection, schemas)) != (self.end,):
            raise Stale(f"Its statements left the version at {', '.join(found) or 'none'}, not at {self.end}.")


@dataclass(frozen=True, slots=True)
class AlembicLedger:
    versions: tuple[str, ...]

    def settle(self, migrations: Sequence[AlembicUpgrade], *, again: bool) -> list[AlembicUpgrade]:
        (one,) = migrations
        if again and self.versions == (one.end,):
            return [one]
        if self.versions != ((one.start,) if one.start else ()):
            said = ", ".join(self.versions) or "none"
            raise Stale(f"The database is at the version {said}, not at {one.start or 'none'}.")
        return []


async def ledger_of(connection: Connection, schemas: Sequence[str], migrations: Sequence[Migration]) -> Ledger:
    """What the database has, by the framework that the migrations are of. Raises Stale where it never had any of it."""
    if isinstance(migrations[0], AlembicUpgrade):
        return AlembicLedger(await _versions(connection, schemas))
    place = await _place("django_migrations", connection, schemas)
    if not place:
        raise Stale("The database has no table django_migrations: Django's own migrate has to make a new one first.")
    table = sql.Identifier(place, "django_migrations")
    rows = await connection.execute(sql.SQL("SELECT app || '.' || name FROM {}").format(table))
    return DjangoLedger(frozenset(str(row[0]) for row in await rows.fetchall()))


async def _versions(connection: Connection, schemas: Sequence[str]) -> tuple[str, ...]:
    place = await _place("alembic_version", connection, schemas)
    if not place:
        return ()
    table = sql.Identifier(place, "alembic_version")
    rows = await connection.execute(sql.SQL("SELECT version_num FROM {} ORDER BY 1").format(table))
    return tuple(str(row[0]) for row in await rows.fetchall())


async def _place(table: str, connection: Connection, schemas: Sequence[str]) -> str:
    """The first of the schemas that has a table, "" where none has it: whatever the search path is by now."""
    found = await connection.execute(
        "SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relname = %s AND c.relkind IN ('r', 'p') AND n.nspname = ANY (%s) "
        "ORDER BY pg_catalog.array_position(%s::name[], n.nspname) LIMIT 1",
        [table, list(schemas), list(schemas)],
    )
    row = await found.fetchone()
    return str(row[0]) if row else ""
