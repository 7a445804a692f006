"""What an export is made of, and what other rooms add to it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
from django.conf import settings
from psycopg import sql

from guildhall.evidence.exported import evidence_queries

Connection = psycopg.Connection[Any]
ROWS = 500
PIECE = 1024 * 1024
WITHHELD = frozenset({"key_hash", "token_hash"})
"""Columns of shared tables that are credentials: they open nothing any more and are not exported."""
NOT_EXPORTED = frozenset({"tenants_refreshtoken", "tenants_handoff", "tenants_tenantarchive"})
"""Shared tables that hold nothing but credentials, and the archive's own row, which says what was exported."""


@dataclass(frozen=True, slots=True)
class Part:
    """One member of an export. `fingerprint` says whether the source is still what was exported, without keeping it.

    With `rows`, each piece is a row.
    """

    name: str
    pieces: Callable[[], Iterator[bytes]]
    state: Callable[[], str] | None = None
    rows: bool = False

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the pieces, or what the source says of itself where its pieces differ each time."""
        if self.state is not None:
            return self.state()
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


class Room(Protocol):
    """What a room above this one knows of an organisation that leaves. The schema names it; no scope is entered."""

    def unfinished(self, schema: str) -> str:
        """End what can be ended; what somebody is still at, as words, or an empty text."""

    def parts(self, schema: str) -> Iterator[Part]:
        """What it keeps outside of the database."""

    def folders(self, schema: str) -> list[Path]:
        """Folders that go with the organisation."""


_rooms: list[Room] = []


def register_room(room: Room) -> None:
    """Have `room` asked whenever an organisation leaves."""
    if room not in _rooms:
        _rooms.append(room)


def rooms() -> list[Room]:
    return list(_rooms)


def parts_of(db: Connection, schema: str) -> Iterator[Part]:
    """Everything of `schema`, read through `db`, which is the owner's and whose transaction decides as of when."""
    for name, query in [*_tables(db, schema), *_shared(db, schema), *evidence_queries(schema)]:
        yield Part(f"{name}.jsonl", _lines(db, query), rows=True)
    for room in _rooms:
        yield from room.parts(schema)
    yield from files_below(media_folder(schema), "files")


def media_folder(schema: str) -> Path:
    """Where the organisation's stored files are."""
    return Path(settings.MEDIA_ROOT) / schema


def files_below(folder: Path, name: str) -> Iterator[Part]:
    """Every file in `folder`, in the order of their names; links are left out."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink():
            yield Part(f"{name}/{file.relative_to(folder).as_posix()}", _read(file))


def _read(file: Path) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        with file.open("rb") as opened:
            while piece := opened.read(PIECE):
                yield piece

    return pieces


def _lines(db: Connection, query: sql.Composed) -> Callable[[], Iterator[bytes]]:
    """The rows of `query` as JSON, `ROWS` at a time. Numbers, times and bytes are as PostgreSQL writes them."""

    def pieces() -> Iterator[bytes]:
        with db.cursor("export") as cursor:
            cursor.itersize = ROWS
            cursor.execute(sql.SQL("SELECT row_to_json(row)::text FROM ({}) row").format(query))
            for (line,) in cursor:
                yield f"{line}\n".encode()

    return pieces


TABLES = """
SELECT c.relname, array(SELECT a.attname::text FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) key
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = key WHERE i.indrelid = c.oid AND i.indisprimary)
FROM pg_class c WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1
"""
SHARED = """
SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text, f.attname,
    array(SELECT attname::text FROM pg_attribute WHERE attrelid = c.conrelid AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum)
FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[1]
WHERE c.contype = 'f' AND c.confrelid = 'public.tenants_tenant'::regclass ORDER BY 1
"""
PEOPLE = """
SELECT u.id, u.public_id, u.name, u.email FROM public.tenants_user u
WHERE u.id IN (SELECT user_id FROM public.tenants_membership WHERE tenant = {}) ORDER BY u.id
"""


def tables_of(db: Connection, schema: str) -> list[str]:
    """The names of the tables in `schema`."""
    return [str(table) for table, _ in db.execute(TABLES, [schema]).fetchall()]


def _tables(db: Connection, schema: str) -> Iterator[tuple[str, sql.Composed]]:
    for table, key in db.execute(TABLES, [schema]).fetchall():
        row = sql.Identifier(schema, table)
        order = sql.SQL(", ").join(map(sql.Identifier, key)) if key else sql.SQL("t::text")
        yield f"tables/{table}", sql.SQL("SELECT * FROM {} t ORDER BY {}").format(row, order)


def _shared(db: Connection, schema: str) -> Iterator[tuple[str, sql.Composed]]:
    """The organisation itself, its rows in tables that refer to it, and its people by name and address alone."""
    own = sql.SQL("SELECT * FROM public.tenants_tenant WHERE schema_name = {}").format(sql.Literal(schema))
    yield "shared/tenants_tenant", own
    yield "shared/people", sql.SQL(PEOPLE).format(sql.Literal(schema))
    for table, column, _, key, columns in referring(db):
        if table not in NOT_EXPORTED:
            shown = sql.SQL(", ").join(sql.Identifier(name) for name in columns if name not in WITHHELD)
            yield f"shared/{table}", _mine(sql.SQL("SELECT {} FROM").format(shown), table, column, key, schema)


def referring(db: Connection) -> list[tuple[str, str, str, str, list[str]]]:
    """Shared tables with a reference to an organisation: table, column, what it refers to, its column, all columns."""
    return db.execute(SHARED).fetchall()


def _mine(start: sql.Composed, table: str, column: str, key: str, schema: str) -> sql.Composed:
    which = "{} public.{} t WHERE t.{} = (SELECT {} FROM public.tenants_tenant WHERE schema_name = {}) ORDER BY t::text"
    names = map(sql.Identifier, (table, column, key))
    return sql.SQL(which).format(start, *names, sql.Literal(schema))
