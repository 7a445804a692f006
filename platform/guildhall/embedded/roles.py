"""The database's logins and roles, made once, on the embedded server and on a real one alike.

A real server's owner login (`DATABASE_ADMIN_URL`) needs: LOGIN, CREATEROLE (so that it may create a role per tenant and
grant it), ownership of the database (so that it may create schemas and revoke from PUBLIC), and either the `vector`
extension already there or the right to create it (pgvector is not a trusted extension everywhere). CREATEDB is used by
tests alone. PostgreSQL 16 or newer: its CREATEROLE gives the admin option on what it creates, and on nothing else.
"""

from collections.abc import Mapping

import psycopg
from psycopg import sql

OWNER = "guildhall_owner"
APP = "guildhall_app"
RELAY = "guildhall_relay"
SEALER = "guildhall_sealer"
LOGINS = (APP, RELAY, SEALER)

URLS = {
    "DATABASE_URL": APP,
    "DATABASE_ADMIN_URL": OWNER,
    "RELAY_DATABASE_URL": RELAY,
    "SEALER_DATABASE_URL": SEALER,
}
"""The variables that carry logins."""
PRIVILEGED = frozenset(URLS) - {"DATABASE_URL"}
"""Those that only the programs which work as them are told."""

APP_ROLES = ("guildhall_identity", "guildhall_platform")
"""Roles that the application's login may switch to (SET ROLE) and inherits nothing from."""

TENANTS = "guildhall_tenant"
"""The group that every tenant's role is a member of: what all tenants may do with shared tables is granted to it."""

VECTOR = "CREATE EXTENSION IF NOT EXISTS vector"


def ensure_roles(connection: psycopg.Connection[tuple[object, ...]], passwords: Mapping[str, str]) -> None:
    """Create what is missing and set every password in `passwords` (login -> password). Run it as often as you like.

    `connection` is autocommit, to the application's database, as its owner. A login without a password in `passwords`
    keeps the one that it has.
    """
    present = {str(row[0]) for row in connection.execute("SELECT rolname FROM pg_roles")}
    for role in (*APP_ROLES, TENANTS):
        if role not in present:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    for login in LOGINS:
        if login not in present:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN NOINHERIT").format(sql.Identifier(login)))
        if login in passwords:
            set_password(connection, login, passwords[login])
    for role in APP_ROLES:
        grant_to_app(connection, role)
    restrict_public(connection)


def grant_to_app(connection: psycopg.Connection[tuple[object, ...]], role: str) -> None:
    """Let the application's login become `role` with SET ROLE, without having any of its rights before that."""
    statement = sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE")
    connection.execute(statement.format(sql.Identifier(role), sql.Identifier(APP)))


def restrict_public(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Only our logins may connect, nobody makes temporary tables, and only the owner creates anything in `public`."""
    database = sql.Identifier(connection.info.dbname)
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    logins = sql.SQL(", ").join(map(sql.Identifier, LOGINS))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, logins))


def set_password(connection: psycopg.Connection[tuple[object, ...]], login: str, password: str) -> None:
    """Give `login` a password; the server stores only its SCRAM verifier."""
    verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(login), sql.Literal(verifier.decode())))
