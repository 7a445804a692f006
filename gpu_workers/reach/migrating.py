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
TURN_S = 60
"""How long another that applies to the same database is waited for: a worker that ended may have left one behind."""
TOTAL_S = 1800.0
LOOK_S = 20.0
OPTIONS = f"-c statement_timeout={STATEMENT_S}s -c lock_timeout={LOCK_S}s -c idle_in_transaction_session_timeout=60s"
TURN = 0x6775696C64
"""The advisory lock of whoever applies migrations to a database."""
MOST_NOTICES = 20


class MigrateError(RuntimeError):
    """It was not applied, or not all of it; the message says why, and `done` what was."""

    def __init__(self, why: str, done: Sequence[Done] = ()) -> None:
        super().__init__(why)
        self.done = tuple(done)


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
    done: list[Done] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def notice(self, said: psycopg.errors.Diagnostic) -> None:
        if len(self.notices) < MOST_NOTICES:
            self.notices.append(f"{said.severity}: {said.message_primary}"[:300])


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
    known = parameters(database.address, private, OPTIONS)
    try:
        return within(_migrate(known, database.schemas, migrations, again), TOTAL_S, cancel)
    except (psycopg.Error, TooLong) as away:
        raise MigrateError(
            f"The work with the database broke off; what was applied is recorded there. {_said(away)}"
        ) from away


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
    await connection.execute("SET search_path = pg_catalog")
    return connection


async def _migrate(
    known: dict[str, Any], schemas: tuple[str, ...], migrations: Sequence[Migration], again: bool
) -> list[Done]:
    turn = await _begun(known, schemas)
    try:
        ledger = await ledger_of(turn.connection, schemas, migrations)
        turn.done = [Done(one.name, 0, before=True) for one in ledger.settle(migrations, again=again)]
        for one in migrations[len(turn.done) :]:
            await _apply(turn, one, known)
        return turn.done
    except Stale as stale:
        raise MigrateError(f"{stale} Plan anew.", turn.done) from stale
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
        if connection.info.server_version >= 140000:
            # A worker that is gone leaves nothing running behind.
            await connection.execute("SET client_connection_check_interval = '2s'")
        await connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(f"{TURN_S}s")))
        try:
            await connection.execute("SELECT pg_advisory_lock(%s)", [TURN])
        except psycopg.errors.LockNotAvailable as taken:
            raise MigrateError("Somebody else applies migrations to this database now.") from taken
        connection.add_notice_handler(turn.notice)
    except BaseException:
        connection.pgconn.finish()
        raise
    return turn


async def _apply(turn: _Turn, one: Migration, known: dict[str, Any]) -> None:
    began, connection = time.monotonic(), turn.connection
    turn.notices.clear()
    path = sql.SQL(", ").join(map(sql.Identifier, turn.schemas))
    # Whatever the last one has set.
    await connection.execute("RESET ALL")
    await connection.execute(sql.SQL("SET search_path = {}").format(path))
    await connection.execute("BEGIN")
    try:
        number = await _transaction(connection)
        for statement in one.statements:
            # The extended protocol takes one statement and refuses a second.
            await connection.execute(statement.encode(), binary=True)
            if connection.info.transaction_status != TransactionStatus.INTRANS:
                raise MigrateError(f"{one.name} ended its own transaction; look at what it left.", turn.done)
        if await _transaction(connection) != number:
            raise MigrateError(f"{one.name} began another transaction; look at what it left.", turn.done)
        await one.record(connection, turn.schemas)
    except (psycopg.Error, Stale) as refused:
        raise MigrateError(
            f"{one.name} was not applied, nothing of it remains. {_said(refused)}", turn.done
        ) from refused
    try:
        await connection.execute("COMMIT")
    except psycopg.Error as lost:
        if not await _has(known, turn.schemas, one):
            raise MigrateError(f"{one.name} was not applied, nothing of it remains. {_said(lost)}", turn.done) from lost
    seconds = time.monotonic() - began
    turn.done.append(Done(one.name, len(one.statements), seconds, tuple(turn.notices)))


async def _has(known: dict[str, Any], schemas: tuple[str, ...], one: Migration) -> bool:
    """Whether the database has a migration whose transaction was to end when the connection broke."""
    turn = await _begun(known, schemas)
    try:
        ledger = await ledger_of(turn.connection, schemas, [one])
        return bool(ledger.settle([one], again=True))
    finally:
        turn.connection.pgconn.finish()


async def _transaction(connection: psycopg.AsyncConnection[Any]) -> str:
    row = await (await connection.execute("SELECT pg_catalog.pg_current_xact_id()::text")).fetchone()
    return str(row[0]) if row else ""


def _said(trouble: Exception) -> str:
    """What went wrong, without values of rows, which PostgreSQL tells as details."""
    if isinstance(trouble, psycopg.Error):
        said = trouble.diag.message_primary or str(trouble).strip().split("\n", 1)[0]
        hint = f" {trouble.diag.message_hint}" if trouble.diag.message_hint else ""
        return f"PostgreSQL says: {said[:400]}{hint[:200]}"
    return str(trouble)
