"""One tenant's schema and role."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg.errors import DuplicateSchema

from guildhall.kernel.tenancy import is_tenant_schema
from tenants.provisioning.template import TEMPLATE

GROUP = "guildhall_tenant"
APP = "guildhall_app"


class ForeignSchema(RuntimeError):
    """A schema of a new tenant's name is there already, with somebody else's data in it."""


@contextmanager
def provisioning_lock(schema: str) -> Iterator[None]:
    """One maker of `schema` at a time; others wait. Freed when its process dies."""
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
        db.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"provision {schema}"])
        yield


def ensure_schema(schema: str, template_sql: str, mark: str) -> None:
    """Make `schema` for the tenant that `mark` stands for, unless an earlier try of the same tenant made it.

    Schema, role, grants and mark come in one transaction, so one that is there is whole. Raises `ForeignSchema` when it
    bears another mark: what a former tenant of that name left behind is nobody else's to use.
    """
    with suppress(DuplicateSchema):
        make_schema(schema, template_sql, mark=mark)
        return
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
        row = db.execute("SELECT obj_description(to_regnamespace(%s), 'pg_namespace')", [schema]).fetchone()
    if row is None or row[0] != mark:
        raise ForeignSchema(f"schema {schema} belongs to {row[0] if row and row[0] else 'nobody known'}, not to {mark}")


def make_schema(schema: str, template_sql: str, tail_sql: str = "", *, mark: str = "") -> None:
    """Create schema and role `schema` from the template in one transaction, then run `tail_sql` in it.

    `mark` is kept with the schema and names the tenant that it was made for. Raises ValueError when the name does not
    have a tenant's form, psycopg.errors.DuplicateSchema when it is taken.
    """
    if not is_tenant_schema(schema) or schema == TEMPLATE:
        raise ValueError(f"not a tenant schema: {schema!r}")
    name = sql.Identifier(schema)
    with psycopg.connect(settings.DATABASE_ADMIN_URL) as db:
        db.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        _role(db, schema)
        # Tables that are born with their grants cost PostgreSQL less than tables that are granted afterwards.
        _rights_to_come(db, schema)
        # pg_dump qualifies every name with the schema, and the template's name appears nowhere else.
        db.execute(template_sql.replace(f"{TEMPLATE}.", f"{schema}.").encode())
        _limits(db, schema)
        if mark:
            db.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(name, sql.Literal(mark)))
        if tail_sql:
            db.execute(sql.SQL("SET LOCAL search_path = {}, public").format(name))
            db.execute(tail_sql.encode())


def _role(db: psycopg.Connection[tuple[object, ...]], schema: str) -> None:
    name = sql.Identifier(schema)
    if not db.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [schema]).fetchone():
        db.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
    db.execute(sql.SQL("GRANT {} TO {} WITH INHERIT TRUE").format(sql.Identifier(GROUP), name))
    db.execute(sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE").format(name, sql.Identifier(APP)))


def _rights_to_come(db: psycopg.Connection[tuple[object, ...]], schema: str) -> None:
    """The rights of the tenant's role on the schema itself and on what will be made in it."""
    statements = (
        "GRANT USAGE ON SCHEMA {0} TO {0};"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {0} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {0};"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {0} GRANT USAGE ON SEQUENCES TO {0}"
    )
    db.execute(sql.SQL(statements).format(sql.Identifier(schema)))


def _limits(db: psycopg.Connection[tuple[object, ...]], schema: str) -> None:
    """Take from the tenant's role what it may not do to single tables."""
    name = sql.Identifier(schema)
    db.execute(sql.SQL("REVOKE INSERT, UPDATE, DELETE ON {0}.django_migrations FROM {0}").format(name))
    rows = db.execute(
        "SELECT c.relname FROM pg_description d JOIN pg_class c ON c.oid = d.objoid AND d.objsubid = 0"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind IN ('r', 'p')"
        " AND d.description = 'append-only'",
        [schema],
    ).fetchall()
    if rows:
        tables = sql.SQL(", ").join(sql.Identifier(schema, str(table)) for (table,) in rows)
        db.execute(sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE ON {} FROM {}").format(tables, name))


def regrant(schema: str) -> None:
    """Give the tenant's role its rights on what a migration added."""
    name = sql.Identifier(schema)
    with psycopg.connect(settings.DATABASE_ADMIN_URL) as db:
        _role(db, schema)
        _rights_to_come(db, schema)
        for statement in (
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {0} TO {0}",
            "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {0} TO {0}",
        ):
            db.execute(sql.SQL(statement).format(name))
        _limits(db, schema)


def drop_schema(schema: str) -> None:
    """Drop schema and role `schema` with everything in it."""
    with psycopg.connect(settings.DATABASE_ADMIN_URL) as db:
        drop_in(db, schema)


def drop_in(db: psycopg.Connection[tuple[object, ...]], schema: str) -> None:
    """The same in the open transaction of `db`. Raises ValueError when the name does not have a tenant's form."""
    if not is_tenant_schema(schema):
        raise ValueError(f"not a tenant schema: {schema!r}")
    name = sql.Identifier(schema)
    db.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
    db.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(name))
