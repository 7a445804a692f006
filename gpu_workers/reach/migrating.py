"""Migrations that people allowed, applied to a project's PostgreSQL: each in one transaction with the line that records it.

What is applied is judged by nobody here; the login is: one that could reach beyond its own database is not used, so that no SQL
runs a program, reads a file of the server or makes a role. Each statement goes by itself, by the protocol that takes one alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from gpu_workers.forges.addresses import Network
from gpu_workers.reach.deadline import TooLong, within
from gpu_workers.reach.logins import login_faults
from gpu_workers.reach.querying import Database, QueryError, parameters
from gpu_workers.reach.recording import Migration, Stale, ledger_of

STATEMENT_S = 600
LOCK_S = 10
TAKEN = "Somebody else applies migrations to this database now."
TURN_S = 60
"""How long another that applies to the same database is waited for: a worker that ended may have left one behind."""
TOTAL_S = 1800.0
LOOK_S = 20.0
READ_AS = {"client_encoding": "UTF8", "standard_conforming_strings": "on"}
"""How the server reads statements, whatever the login's or database's own settings are: as people read them."""
OPTIONS = (
    f"-c statement_timeout={STATEMENT_S}s -c lock_timeout={LOCK_S}s -c idle_in_transaction_session_timeout=60s"
    + "".join(f" -c {name}={value}" for name, value in READ_AS.items())
)
TURN = 0x6775696C64
"""The advisory lock of whoever applies migrations to a database."""
HELD = """
SELECT current_user::pg_catalog.text, session_user::pg_catalog.text, EXISTS (
  SELECT FROM pg_catalog.pg_locks WHERE granted AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
  AND locktype OPERATOR(pg_catalog.=) 'advisory' AND objsubid OPERATOR(pg_catalog.=) 1::pg_catalog.int2
  AND classid OPERATOR(pg_catalog.=) %s::pg_catalog.int8::pg_catalog.oid
  AND objid OPERATOR(pg_catalog.=) %s::pg_catalog.int8::pg_catalog.oid), EXISTS (
  SELECT FROM pg_catalog.pg_locks WHERE granted AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
  AND locktype OPERATOR(pg_catalog.=) 'relation' AND mode OPERATOR(pg_catalog.<>) 'AccessShareLock'
  AND database OPERATOR(pg_catalog.=) 0::pg_catalog.oid AND relation OPERATOR(pg_catalog.=) ANY (ARRAY[
  'pg_catalog.pg_authid'::pg_catalog.regclass, 'pg_catalog.pg_auth_members'::pg_catalog.regclass,
  'pg_catalog.pg_database'::pg_catalog.regclass, 'pg_catalog.pg_db_role_setting'::pg_catalog.regclass]::pg_catalog.oid[]))
"""
"""Who acts by now, whether it is still its turn, and whether roles, passwords, databases or the settings that sessions begin with
were written, whose locks last as long as the transaction; whatever the search path is."""
UNREAD = "has its own text read otherwise than people read it"
MOST_NOTICES = 20


class MigrateError(RuntimeError):
    """It was not applied, or not all of it; the message says why, and `done` what was. `unsure` where more may have been."""

    def __init__(self, why: str, done: Sequence[Done] = (), *, unsure: bool = False) -> None:
        super().__init__(why)
        self.done, self.unsure = tuple(done), unsure


@dataclass(frozen=True, slots=True)
class Done:
    """A migration that the database has. `before` where a worker that ended had applied it."""

    name: str
    statements: int
    seconds: float = 0.0
    notices: tuple[str, ...] = ()
    before: bool = False


@dataclass
class _Turn:
    """One connection that applies, alone in its database."""

    connection: psycopg.AsyncConnection[Any]
    schemas: tuple[str, ...]
    notices: list[str] = field(default_factory=list)

    def notice(self, said: psycopg.errors.Diagnostic) -> None:
        if len(self.notices) < MOST_NOTICES:
            self.notices.append(f"{said.severity}: {_worded(said)}"[:300])


def migrate(
    database: Database,
    migrations: Sequence[Migration],
    private: Sequence[Network],
    *,
    again: bool,
    cancel: threading.Event | None = None,
) -> list[Done]:
    """Apply migrations in order. Raises MigrateError; `Invalid` and `Unavailable` for an address nobody may have us call.

    What does not fit the database as it is now is refused before anything is applied. `again`: a worker began this and
    ended; what the database has by now is its work.
    """
    known, done, under_way = parameters(database.address, private, OPTIONS), list[Done](), list[Migration]()
    try:
        within(_migrate(known, database.schemas, migrations, done, under_way, again=again), TOTAL_S, cancel)
    except MigrateError as refused:
        refused.done = tuple(done)
        raise
    except (psycopg.Error, TooLong) as away:
        raise MigrateError(
            f"The work with the database broke off; what was applied is recorded there. {_said(away)}",
            done,
            unsure=bool(under_way),
        ) from away
    return done


def migrator_faults(database: Database, private: Sequence[Network]) -> list[str]:
    """What keeps a login from applying migrations, in words. Raises QueryError, TooLong, `Invalid`, `Unavailable`."""
    known = parameters(database.address, private, OPTIONS)
    try:
        return within(_faults(known, database.schemas), LOOK_S, None)
    except psycopg.Error as refused:
        raise QueryError("The database cannot be reached with this address and login.") from refused


async def _faults(known: dict[str, Any], schemas: tuple[str, ...]) -> list[str]:
    async with await _connected(known) as connection:
        return await login_faults(connection, schemas)


async def _connected(known: dict[str, Any]) -> psycopg.AsyncConnection[Any]:
    """As its own login and with nothing but PostgreSQL's own functions in sight."""
    connection = await psycopg.AsyncConnection.connect(**known, autocommit=True, prepare_threshold=None)
    await connection.execute("SET ROLE NONE")
    await connection.execute("SET search_path = pg_catalog")
    return connection


async def _migrate(
    known: dict[str, Any],
    schemas: tuple[str, ...],
    migrations: Sequence[Migration],
    done: list[Done],
    under_way: list[Migration],
    *,
    again: bool,
) -> None:
    """Apply what the database has not; `done` grows by each one, and is true whatever this ends with, as is `under_way`."""
    turn = await _begun(known, schemas)
    try:
        ledger = await ledger_of(turn.connection, schemas, migrations)
        done += [Done(one.name, 0, before=True) for one in ledger.settle(migrations, again=again)]
        for one in migrations[len(done) :]:
            await _restart(turn)
            under_way.append(one)
            done.append(await _apply(turn, one, known))
            under_way.clear()
    except Stale as stale:
        raise MigrateError(f"{stale} Plan anew.") from stale
    finally:
        # Without a good-bye: what is under way is rolled back.
        turn.connection.pgconn.finish()


async def _begun(known: dict[str, Any], schemas: tuple[str, ...]) -> _Turn:
    """A connection whose login is fit for it, alone in its database. Raises MigrateError."""
    connection = await _connected(known)
    turn = _Turn(connection, schemas)
    try:
        if wrong := await login_faults(connection, schemas):
            raise MigrateError(f"The login {'; '.join(wrong)}: an admin has to give the project another one.")
        await connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(f"{TURN_S}s")))
        try:
            await connection.execute("SELECT pg_advisory_lock(%s)", [TURN])
        except psycopg.errors.LockNotAvailable as taken:
            raise MigrateError(TAKEN) from taken
        connection.add_notice_handler(turn.notice)
    except BaseException:
        connection.pgconn.finish()
        raise
    return turn


async def _apply(turn: _Turn, one: Migration, known: dict[str, Any]) -> Done:
    began, connection = time.monotonic(), turn.connection
    turn.notices.clear()
    try:
        await connection.execute("BEGIN")
        number = await _transaction(connection)
        for statement in one.statements:
            # The extended protocol takes one statement and refuses a second.
            await connection.execute(statement.encode(), binary=True)
            if connection.info.transaction_status != TransactionStatus.INTRANS:
                raise MigrateError(f"{one.name} ended its own transaction; look at what it left.", unsure=True)
            if other := [name for name, value in READ_AS.items() if connection.info.parameter_status(name) != value]:
                raise MigrateError(f"{one.name} {UNREAD} ({', '.join(other)}); nothing of it remains.")
        if await _transaction(connection) != number:
            raise MigrateError(f"{one.name} began another transaction; look at what it left.", unsure=True)
        if changed := await _changed(connection):
            raise MigrateError(f"{one.name} was not applied, nothing of it remains: it {changed}.")
        await one.record(connection, turn.schemas)
    except (psycopg.Error, Stale) as refused:
        raise MigrateError(f"{one.name} was not applied, nothing of it remains. {_said(refused)}") from refused
    try:
        await connection.execute("COMMIT")
    except psycopg.Error as lost:
        # An answer is a refusal; without one, the database alone knows.
        if not connection.broken or not await _has(turn, known, one):
            raise MigrateError(f"{one.name} was not applied, nothing of it remains. {_said(lost)}") from lost
    return Done(one.name, len(one.statements), time.monotonic() - began, tuple(turn.notices))


async def _restart(turn: _Turn) -> None:
    """As the login itself, alone, with nothing that the last migration has set."""
    connection = turn.connection
    for setting in ("RESET SESSION AUTHORIZATION", "RESET ALL", "SET ROLE NONE"):
        await connection.execute(setting.encode())
    if connection.info.server_version >= 140000:
        # A worker that is gone leaves nothing running behind.
        await connection.execute("SET client_connection_check_interval = '2s'")
    try:
        await connection.execute("SELECT pg_catalog.pg_advisory_lock(%s)", [TURN])
    except psycopg.errors.LockNotAvailable as taken:
        raise MigrateError(TAKEN) from taken
    path = sql.SQL(", ").join(map(sql.Identifier, turn.schemas))
    await connection.execute(sql.SQL("SET search_path = {}").format(path))


async def _changed(connection: psycopg.AsyncConnection[Any]) -> str:
    """What a migration did to its session that none may: it acts as another role, or lets others apply meanwhile."""
    row = await (await connection.execute(HELD, [TURN >> 32, TURN & 0xFFFFFFFF])).fetchone()
    acting, login, alone, ruling = row or ("", "", False, False)
    if acting != login:
        return "acts as another role"
    if ruling:
        return "changes roles, databases or their settings, which are the server's"
    return "" if alone else "gave up the lock under which migrations are applied"


async def _has(turn: _Turn, known: dict[str, Any], one: Migration) -> bool:
    """Whether the database has a migration whose transaction was to end when the connection broke, on a new one."""
    turn.connection.pgconn.finish()
    try:
        turn.connection = (await _begun(known, turn.schemas)).connection
        turn.connection.add_notice_handler(turn.notice)
        ledger = await ledger_of(turn.connection, turn.schemas, [one])
        return bool(ledger.settle([one], again=True))
    except (psycopg.Error, MigrateError, Stale) as away:
        why = f"The connection broke as {one.name} ended; look whether it was applied."
        raise MigrateError(f"{why} {_said(away)}", unsure=True) from away


async def _transaction(connection: psycopg.AsyncConnection[Any]) -> str:
    row = await (await connection.execute("SELECT pg_catalog.pg_current_xact_id()::text")).fetchone()
    return str(row[0]) if row else ""


def _said(trouble: Exception) -> str:
    """What went wrong, without values of rows, which PostgreSQL tells as details."""
    if isinstance(trouble, psycopg.Error):
        if trouble.sqlstate is None:
            return f"PostgreSQL says: {str(trouble).strip().split(chr(10), 1)[0][:400]}"
        return f"PostgreSQL says: {_worded(trouble.diag)}"
    return str(trouble)


def _worded(said: psycopg.errors.Diagnostic) -> str:
    """Its words where they are PostgreSQL's own and hold no value: rows are nobody's but the project's."""
    code = said.sqlstate or ""
    if code.startswith("22"):
        return f"a value is refused (SQLSTATE {code}); its words may hold it and are not told."
    if (said.source_file or "pl").rpartition("/")[2].startswith("pl"):
        return f"code of the database's own raised {code}; its words may hold rows and are not told."
    hint = f" {said.message_hint}" if said.message_hint else ""
    return f"{(said.message_primary or '')[:400]}{hint[:200]}"
