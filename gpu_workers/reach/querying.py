"""One read-only question to a project's PostgreSQL, with a login that can do nothing but read what was opened to it.

What keeps a question from changing anything is the login's own lack of rights, which is looked at each time before anything
is asked. The read-only transaction, the wrapping, the time and the caps stand behind that.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from gpu_workers.forges.addresses import Network, refuse_private, resolved
from gpu_workers.reach.deadline import within
from guildhall.kernel.errors import Invalid

MAX_ROWS = 200
MAX_CELLS = 4000
STATEMENT_S = 10
TOTAL_S = 20.0
GIVEN = {"host", "port", "user", "password", "dbname", "sslmode"}
READING = f"-c statement_timeout={STATEMENT_S}s -c default_transaction_read_only=on"
MODES = ("disable", "require", "verify-full")
PORT, LAST_PORT = re.compile(r"[1-9][0-9]{0,4}"), 65535

FAULTS = """
WITH mine AS (SELECT * FROM pg_catalog.pg_roles WHERE rolname = current_user),
spaces AS (
  SELECT oid, nspname FROM pg_catalog.pg_namespace
  WHERE nspname <> 'information_schema' AND nspname !~ '^pg_')
SELECT 'is a member of ' || g.rolname FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles g ON g.oid = m.roleid JOIN mine ON m.member = mine.oid
UNION ALL SELECT 'has rights over the whole server' FROM mine
  WHERE rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
UNION ALL SELECT 'may make schemas' WHERE has_database_privilege(current_database(), 'CREATE')
UNION ALL SELECT 'may make things in the schema ' || nspname FROM spaces WHERE has_schema_privilege(oid, 'CREATE')
UNION ALL SELECT 'may use the schema ' || nspname FROM spaces
  WHERE nspname <> ALL (%(schemas)s) AND has_schema_privilege(oid, 'USAGE')
UNION ALL SELECT 'may change ' || nspname || '.' || relname FROM pg_catalog.pg_class c
  JOIN spaces ON spaces.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
    OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))
UNION ALL SELECT 'may call ' || nspname || '.' || proname || ', which acts with rights of its own'
  FROM pg_catalog.pg_proc p JOIN spaces ON spaces.oid = p.pronamespace
  WHERE prosecdef AND has_function_privilege(p.oid, 'EXECUTE') AND has_schema_privilege(spaces.oid, 'USAGE')
UNION ALL SELECT 'leads to the database of this platform'
  WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'guildhall_platform')
  AND EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'tenants_tenant')
LIMIT 5
"""
"""What is wrong with the login for this, in words; no row where it can only read what it may."""


class QueryError(RuntimeError):
    """There is no answer; the message says why."""


@dataclass(frozen=True, slots=True)
class Database:
    """Where a project's data is: an address of PostgreSQL with a login, and the schemas that may be read."""

    address: str
    schemas: tuple[str, ...] = ("public",)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a question brought: each row as JSON, at most `MAX_CELLS` characters of it; `cut` where there are more."""

    lines: tuple[str, ...]
    cut: bool


def query(
    database: Database, question: str, private: Sequence[Network] = (), cancel: threading.Event | None = None
) -> Rows:
    """Ask one SELECT. Raises QueryError, TooLong, and `Invalid` for an address that nobody may have us call."""
    known = parameters(database.address, private)
    try:
        return within(_ask(known, database.schemas, question), TOTAL_S, cancel)
    except psycopg.Error as refused:
        raise QueryError(f"PostgreSQL says: {str(refused).strip()[:500]}") from refused


def faults(database: Database, private: Sequence[Network] = ()) -> list[str]:
    """What keeps this login from being used, in words. Raises QueryError, TooLong, `Invalid`."""
    known = parameters(database.address, private)
    try:
        return within(_faults(known, database.schemas), TOTAL_S, None)
    except psycopg.Error as refused:
        raise QueryError("The database cannot be reached with this address and login.") from refused


def parameters(address: str, private: Sequence[Network], options: str = READING) -> dict[str, Any]:
    """How to connect to `address`, at the IP address that was looked at. Raises `Invalid`, `Unavailable`.

    `options` are what the session begins with.
    """
    try:
        given = conninfo_to_dict(address)
    except psycopg.ProgrammingError as garbled:
        raise _wrong("Give an address like postgresql://reader:password@host:5432/shop.") from garbled
    if not address.startswith(("postgresql://", "postgres://")) or set(given) - GIVEN:
        raise _wrong(
            "Give an address like postgresql://reader:password@host:5432/shop, with nothing but sslmode added."
        )
    host, port, mode = str(given.get("host", "")), str(given.get("port", "5432")), given.get("sslmode")
    if not all(given.get(part) for part in ("user", "password", "dbname")):
        raise _wrong("The address needs a user, a password and the name of a database.")
    if not host or host.startswith(("/", "@")) or "," in host or not PORT.fullmatch(port) or int(port) > LAST_PORT:
        raise _wrong(f"Give one host by name, and its port between 1 and {LAST_PORT}.")
    found = resolved(host, int(port))
    try:
        refuse_private(host, found, loopback=False, private=private)
    except Invalid as refused:
        raise _wrong(refused.detail) from refused
    inside = _is_private(host, found, private)
    if mode not in (None, *MODES) or (mode == "disable" and not inside):
        raise _wrong("sslmode is require or verify-full, or disable in a network of one's own.")
    mode = mode or ("prefer" if inside else "verify-full")
    return {
        **given,
        "hostaddr": found[0],
        "port": port,
        "sslmode": mode,
        **({"sslrootcert": "system"} if mode == "verify-full" else {}),
        "gssencmode": "disable",
        "connect_timeout": 5,
        "application_name": "guildhall",
        "options": options,
    }


def _is_private(host: str, found: Sequence[str], private: Sequence[Network]) -> bool:
    try:
        refuse_private(host, found, loopback=False)
    except Invalid:
        return bool(private)
    return False


async def _connected(known: dict[str, Any]) -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(**known, autocommit=True, prepare_threshold=None)


async def _faults(known: dict[str, Any], schemas: Sequence[str]) -> list[str]:
    async with await _connected(known) as connection:
        return await _found(connection, schemas)


async def _found(connection: psycopg.AsyncConnection[Any], schemas: Sequence[str]) -> list[str]:
    rows = await connection.execute(FAULTS, {"schemas": list(schemas)})
    return [str(row[0]) for row in await rows.fetchall()]


async def _ask(known: dict[str, Any], schemas: Sequence[str], question: str) -> Rows:
    connection = await _connected(known)
    try:
        await connection.execute("SET search_path = pg_catalog")
        if wrong := await _found(connection, schemas):
            raise QueryError(f"The login {'; '.join(wrong)}: an admin has to give the project one that only reads.")
        await connection.execute(
            sql.SQL("SET search_path = {}").format(sql.SQL(", ").join(map(sql.Identifier, schemas)))
        )
        await connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return await _rows(connection, question)
    finally:
        # Without a good-bye: a server that does not answer would be waited for.
        connection.pgconn.finish()


async def _rows(connection: psycopg.AsyncConnection[Any], question: str) -> Rows:
    """Wrapped, so that nothing but a SELECT is grammar, and no cell is larger than what is shown of it."""
    wrapped = sql.SQL("SELECT left(row_to_json(q)::text, {most}) FROM (\n{question}\n) AS q LIMIT {rows}").format(
        most=sql.Literal(MAX_CELLS),
        question=sql.SQL(question.rstrip().rstrip(";")),
        rows=sql.Literal(MAX_ROWS + 1),
    )
    lines: list[str] = []
    async with connection.cursor() as cursor:
        # The extended protocol takes one statement and refuses a second.
        async for row in cursor.stream(wrapped, None):
            lines.append(str(row[0]))
    return Rows(tuple(lines[:MAX_ROWS]), len(lines) > MAX_ROWS)


def _wrong(why: str) -> Invalid:
    return Invalid("This database cannot be used.", fields={"address": [why]})
