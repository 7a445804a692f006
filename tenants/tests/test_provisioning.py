"""From a name to a tenant that works: names, crashes, races, and a schema equal to a migrated one."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from guildhall.evidence.delivery import deliver
from guildhall.evidence.tests.poking import place
from guildhall.kernel import seeds
from guildhall.kernel.actor import PLATFORM, ActorKind, system_actor
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.errors import Conflict, Denied, Invalid, Unavailable
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.tenants import create_tenant, resume_tenant, suspend_tenant
from tenants.events import TenantCreated
from tenants.models import SchemaTemplate, Tenant, TenantStatus
from tenants.provisioning.provision import host_for, provision
from tenants.provisioning.schema import ForeignSchema, drop_schema, make_schema, regrant
from tests.support.clusters import ROOT
from tests.support.evidence import ConsumerCursor, OutboxEvent
from tests.support.processes import running, worker
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
CONSOLE = system_actor("tests", PLATFORM)
OWNER_ENV = {"GUILDHALL_DB_LOGIN": "owner"}

CATALOGUE = {
    # Numbered anew: a column that a migration dropped leaves a gap in attnum, and a dump does not.
    "columns": """SELECT c.relname, c.relkind, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname,
            format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation,
            pg_get_expr(d.adbin, d.adrelid), a.attstorage
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = %(schema)s::regnamespace""",
    "constraints": """SELECT conrelid::regclass::text, conname, contype, convalidated, condeferrable, condeferred,
            pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = %(schema)s::regnamespace""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = %(schema)s",
    "triggers": """SELECT t.tgname, t.tgenabled, pg_get_triggerdef(t.oid) FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = %(schema)s::regnamespace AND NOT t.tgisinternal""",
    "functions": "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = %(schema)s::regnamespace",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = %(schema)s",
    "sequences": """SELECT sequencename, data_type::text, start_value, min_value, max_value, increment_by, cycle,
            cache_size, last_value FROM pg_sequences WHERE schemaname = %(schema)s""",
    "comments": """SELECT c.relname, d.objsubid, d.description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid
        WHERE c.relnamespace = %(schema)s::regnamespace""",
    "policies": """SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies
        WHERE schemaname = %(schema)s""",
    "row security": """SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
        WHERE relnamespace = %(schema)s::regnamespace""",
    "grants": """SELECT c.relname, c.relkind, acl.grantee::regrole::text, acl.privilege_type FROM pg_class c,
            aclexplode(c.relacl) acl WHERE c.relnamespace = %(schema)s::regnamespace""",
    "migrations": "SELECT app, name FROM {schema}.django_migrations",
}


@pytest.fixture(scope="module")
def owner(database: None) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
        yield db


def catalogue(db: psycopg.Connection[tuple[Any, ...]], schema: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every object of `schema` by kind, its own name taken out, sorted."""
    db.execute("SET search_path = pg_catalog, public")
    found = {}
    for kind, query in CATALOGUE.items():
        rows = db.execute(query.replace("{schema}", schema).encode(), {"schema": schema}).fetchall()
        found[kind] = sorted(tuple(plain(str(value).replace(schema, "SCHEMA")) for value in row) for row in rows)
    return found


def plain(text: str) -> str:
    """Without the casts and brackets that PostgreSQL moves about when it reads its own CHECK ... IN (...) again."""
    return re.sub(r"::text(\[\])?|[()]", "", text) if "character varying" in text else text


def write_down(slug: str, host: str | None = None) -> Tenant:
    with platform_scope():
        return create_tenant(actor=CONSOLE, slug=slug, name=slug.title(), host=host or host_for(slug))


def manage(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def status(tenant: Tenant) -> str:
    with platform_scope():
        tenant.refresh_from_db()
    return str(tenant.status)


def test_schema_from_the_template_equals_a_migrated_one(owner: psycopg.Connection[tuple[Any, ...]]) -> None:
    owner.execute("CREATE SCHEMA org_migrated")
    done = manage("migrate_schemas", "--schema=org_migrated", "--verbosity=0", **OWNER_ENV)
    assert done.returncode == 0, done.stderr
    with platform_scope():
        sql = SchemaTemplate.objects.get().sql
    make_schema("org_replayed", sql)
    regrant("org_migrated")
    try:
        migrated, replayed = catalogue(owner, "org_migrated"), catalogue(owner, "org_replayed")
        assert {kind: len(rows) for kind, rows in migrated.items()} == {k: len(r) for k, r in replayed.items()}
        for kind, rows in migrated.items():
            assert replayed[kind] == rows, kind
        assert migrated["migrations"]
    finally:
        drop_schema("org_migrated")
        drop_schema("org_replayed")


AWKWARD = r"""
CREATE TABLE org_template.django_migrations (app text, name text);
CREATE TABLE org_template.ledger (id bigint GENERATED ALWAYS AS IDENTITY, place vector(3), note text DEFAULT 'a

b -- no comment');
COMMENT ON TABLE org_template.ledger IS 'append-only';
CREATE TABLE org_template.plain (id int);
"""


def test_append_only_tables_lose_update_and_delete_and_keep_it_over_a_regrant(
    owner: psycopg.Connection[tuple[Any, ...]],
) -> None:
    make_schema("org_append", AWKWARD)
    try:
        for _ in range(2):
            with tenant_scope("org_append"), connection.cursor() as cursor:
                cursor.execute("INSERT INTO ledger (place) VALUES ('[1,2,3]') RETURNING note")
                assert cursor.fetchone() == ("a\n\nb -- no comment",)
                for statement in ("UPDATE ledger SET note = ''", "DELETE FROM ledger", "TRUNCATE ledger"):
                    with pytest.raises(Exception, match="permission denied for table ledger"):
                        cursor.execute(statement)
                cursor.execute("UPDATE plain SET id = 1")
                with pytest.raises(Exception, match="permission denied for table django_migrations"):
                    cursor.execute("DELETE FROM django_migrations")
            regrant("org_append")
    finally:
        drop_schema("org_append")


@pytest.mark.parametrize(
    "slug",
    ["", "A", "1a", "a_b", "a--b", "-a", "a-", "a b", "ä", "a" * 41, "admin", "template", "public; --", "a.b", "a\n"],
)
def test_bad_slugs_are_refused_with_a_reason(database: None, slug: str) -> None:
    with pytest.raises(Invalid) as caught:
        write_down(slug, host="x.localhost")
    assert caught.value.fields["slug"]


def test_taken_slug_and_host_are_conflicts_and_leave_nothing(tenant: TestTenant) -> None:
    with pytest.raises(Conflict):
        write_down(tenant.slug)
    with pytest.raises(Conflict):
        write_down("quite-new", host=tenant.host.upper())
    with platform_scope():
        assert not Tenant.objects.filter(slug="quite-new").exists()


def test_only_the_platform_makes_tenants(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema), pytest.raises(Denied):
        create_tenant(actor=tenant.actor("admin"), slug="mine", name="Mine", host="mine.localhost")
    with platform_scope(), pytest.raises(Denied):
        agent = system_actor("x", PLATFORM).__class__(kind=ActorKind.AGENT, id="a", name="A", tenant=PLATFORM)
        create_tenant(actor=agent, slug="mine", name="Mine", host="mine.localhost")


def test_the_same_tenant_provisioned_by_many_at_once_is_opened_once(database: None) -> None:
    rows = [write_down(f"race-{os.getpid()}-{n}") for n in range(2)]
    errors: list[BaseException] = []

    def work(row: Tenant) -> None:
        try:
            provision(row)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[row]) for row in rows * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [status(row) for row in rows] == ["active", "active"]


def test_crash_between_schema_and_opening_is_made_good_by_the_next_delivery(database: None) -> None:
    row = write_down(f"crash-{os.getpid()}")
    fragile = [True]

    def seed(schema: str) -> None:
        if schema == row.schema_name and fragile:
            raise RuntimeError("the process dies here")

    seeds.register_seed(seed)
    try:
        place()
        consumer = registered_consumers()["tenants.provision"]
        with platform_scope():
            deliver(consumer)
        assert status(row) == TenantStatus.PROVISIONING
        fragile.clear()
        with platform_scope(), connection.cursor() as cursor:
            cursor.execute("UPDATE consumer_cursor SET retry_at = NULL")
            deliver(consumer)
        assert status(row) == TenantStatus.ACTIVE
    finally:
        seeds._seeds.remove(seed)


def test_schema_that_a_former_tenant_left_behind_is_not_handed_on(make_tenant: Any) -> None:
    former = make_tenant()
    with platform_scope():
        forget(Tenant.objects.get(schema_name=former.schema))
    row = write_down(former.slug)
    with pytest.raises(ForeignSchema):
        provision(row)
    assert status(row) == TenantStatus.PROVISIONING
    with platform_scope():
        forget(row)  # the event of its creation is still on the platform's stream, ahead of other tests'


def forget(row: Tenant) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM tenants_domain WHERE tenant_id = %s", [row.pk])
        cursor.execute("DELETE FROM tenants_tenant WHERE id = %s", [row.pk])


def test_suspended_and_resumed_with_reasons(tenant: TestTenant) -> None:
    with platform_scope():
        row = Tenant.objects.get(schema_name=tenant.schema)
        with pytest.raises(Invalid):
            suspend_tenant(actor=CONSOLE, tenant=row, reason="short")
        with pytest.raises(Conflict):
            resume_tenant(actor=CONSOLE, tenant=row)
        suspended = suspend_tenant(actor=CONSOLE, tenant=row, reason="  Has not paid for a year.  ")
        assert (suspended.status, suspended.status_reason) == ("suspended", "Has not paid for a year.")
        with pytest.raises(Conflict):
            suspend_tenant(actor=CONSOLE, tenant=row, reason="Has not paid for a year.")
        assert resume_tenant(actor=CONSOLE, tenant=row).status_reason == ""


def test_failed_migration_quarantines_and_the_next_one_gives_back_what_was(
    make_tenant: Any, owner: psycopg.Connection[tuple[Any, ...]]
) -> None:
    active, suspended, unmade = make_tenant(), make_tenant(), write_down(f"unmade-{os.getpid()}")
    with platform_scope():
        rows = [Tenant.objects.get(schema_name=t.schema) for t in (active, suspended)]
        suspend_tenant(actor=CONSOLE, tenant=rows[1], reason="Has not paid for a year.")
    for broken in (active, suspended):
        owner.execute(f"ALTER TABLE {broken.schema}.django_migrations RENAME COLUMN app TO gone".encode())
    only = [part for row in (*rows, unmade) for part in ("--tenant", row.slug)]
    done = manage("migrate_platform", *only)
    assert (done.returncode, "2 tenants quarantined" in done.stdout) == (0, True)
    assert [status(row) for row in rows] == ["quarantined", "quarantined"]
    assert status(unmade) == "provisioning"
    with pytest.raises(Unavailable, match="quarantined"):
        provision(rows[0])
    assert_creation_can_be_read_again(rows[0])
    for broken in (active, suspended):
        owner.execute(f"ALTER TABLE {broken.schema}.django_migrations RENAME COLUMN gone TO app".encode())
    assert manage("migrate_platform", *only).returncode == 0
    assert [(status(row), row.status_reason) for row in rows] == [
        ("active", ""), ("suspended", "Has not paid for a year."),
    ]  # fmt: skip


def assert_creation_can_be_read_again(row: Tenant) -> None:
    """An owner who rewinds the platform's consumer gets no dead letter of a tenant that rests in quarantine."""
    place()
    with platform_scope():
        told = OutboxEvent.objects.get(kind=TenantCreated.kind, payload__schema_name=row.schema_name)
        assert told.position is not None
        cursors = ConsumerCursor.objects.filter(consumer="tenants.provision")
        deliver(registered_consumers()["tenants.provision"])
        cursors.update(position=told.position - 1, attempts=0, retry_at=None)
        deliver(registered_consumers()["tenants.provision"])
        assert cursors.get().position >= told.position


def test_command_creates_a_tenant_through_relay_and_worker(database: None, tmp_path: Path) -> None:
    slug = f"cli-{os.getpid()}"
    with running("manage.py", "relay", log=tmp_path / "relay"), worker(tmp_path / "worker", queues="provisioning"):
        done = manage("create_tenant", slug, "--name", "Made By Hand", "--json")
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
    assert answer == {"slug": slug, "name": "Made By Hand", "schema": f"org_cli_{os.getpid()}", "host": host_for(slug)}
    with tenant_scope(answer["schema"]), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_migrations")
        assert cursor.fetchone()[0] > 0


@pytest.mark.parametrize(
    ("slug", "said"), [("Bad_Slug", "slug: Use lower-case letters"), ("no-worker", "No worker set no-worker up")]
)
def test_command_says_why_not(database: None, slug: str, said: str) -> None:
    done = manage("create_tenant", slug, "--name", "X", "--timeout", "0.2")
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
