"""What each database role can do with the shared tables, asked with plain SQL as the application's login."""

from typing import Any

import pytest
from django.db import Error, connection
from psycopg.errors import InsufficientPrivilege

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.events import Event
from guildhall.kernel.tenancy import identity_scope, platform_scope, tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration

SHARED = (
    "tenants_tenant", "tenants_domain", "tenants_user", "tenants_membership", "tenants_session", "tenants_apikey",
    "tenants_refreshtoken", "tenants_invitation", "tenants_schematemplate", "comember", "django_migrations",
    "django_admin_log", "otp_totp_totpdevice", "evidence.outbox_event", "evidence.outbox_head",
    "evidence.consumer_cursor", "evidence.dead_letter", "evidence.audit_entry", "evidence.audit_payload",
    "evidence.audit_unsealed", "evidence.audit_link", "evidence.audit_seal", "evidence.audit_expired",
    "tenants_stalledapprovals", "tenants_supportgrant", "gateway_platformstop",
)  # fmt: skip
OWN_ROWS = ("tenants_membership", "tenants_session", "tenants_apikey", "tenants_refreshtoken", "tenants_invitation")


class Noted(Event):
    kind = "test.grants.noted"


@governed("test.note", lock=None)
def note(*, actor: Actor) -> None:
    record(Noted(subject="note:1"), actor=actor)


@pytest.fixture(scope="module")
def pair(residents: tuple[TestTenant, TestTenant]) -> tuple[TestTenant, TestTenant]:
    """Both have a member, a session, a key, an invitation and evidence."""
    for tenant in residents:
        tenant.member("admin")
        with tenant_scope(tenant.schema):
            person = _ask("SELECT user_id FROM comember")[0][0]
            mark = tenant.schema
            _ask(f"""INSERT INTO tenants_session (session_key, session_data, expire_date, agent)
                VALUES ('{mark}', '', now(), '')""")
            _ask(f"""INSERT INTO tenants_apikey (tenant, user_id, name, prefix, key_hash, scopes)
                VALUES (current_user, {person}, 'k', 'gh_', '{mark}', '{{llm}}')""")
            _ask(f"""INSERT INTO tenants_refreshtoken (tenant, user_id, family, token_hash, expires_at)
                VALUES (current_user, {person}, gen_random_uuid(), '{mark}', now())""")
            _ask(f"""INSERT INTO tenants_invitation (tenant, email, roles, client, token_hash, invited_by, expires_at)
                VALUES (current_user, 'a@b.test', '{{qa}}', '', '{mark}', 'x', now())""")
            note(actor=tenant.system())
    return residents


def _ask(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall()) if cursor.description else []


def _refused(query: str) -> None:
    with pytest.raises(Error) as caught:
        _ask(query)
    assert isinstance(caught.value.__cause__, InsufficientPrivilege), caught.value


@pytest.mark.parametrize("table", SHARED)
def test_bare_login_reads_and_writes_nothing(database: None, table: str) -> None:
    _refused(f"SELECT 1 FROM {table}")
    _refused(f"SELECT 1 FROM {table} FOR UPDATE" if table == "comember" else f"DELETE FROM {table}")


def test_bare_login_learns_only_where_a_host_leads(pair: tuple[TestTenant, TestTenant]) -> None:
    assert _ask(f"SELECT schema_name, status FROM tenant_of_host('{pair[0].host}')") == [(pair[0].schema, "active")]
    assert _ask("SELECT * FROM tenant_of_host('%')") == []


@pytest.mark.parametrize("table", OWN_ROWS)
def test_tenant_sees_and_changes_its_own_rows_alone(pair: tuple[TestTenant, TestTenant], table: str) -> None:
    mine, theirs = pair
    with tenant_scope(mine.schema):
        assert {row[0] for row in _ask(f"SELECT tenant FROM {table}")} == {mine.schema}
        assert _ask(f"SELECT 1 FROM {table} WHERE tenant = '{theirs.schema}'") == []
        _refused(f"UPDATE {table} SET tenant = '{theirs.schema}'")
        assert (
            _ask(f"WITH gone AS (DELETE FROM {table} WHERE tenant <> current_user RETURNING 1) SELECT * FROM gone")
            == []
        )
    with tenant_scope(theirs.schema):
        assert _ask(f"SELECT count(*) FROM {table}")[0][0] >= 1


@pytest.mark.parametrize(
    "table",
    ["evidence.outbox_event", "evidence.audit_entry", "evidence.audit_payload"],
)
def test_tenant_reads_its_own_evidence_alone(pair: tuple[TestTenant, TestTenant], table: str) -> None:
    for tenant in pair:
        with tenant_scope(tenant.schema):
            assert {row[0] for row in _ask(f"SELECT tenant FROM {table}")} == {tenant.schema}
    with platform_scope():
        assert not {row[0] for row in _ask(f"SELECT tenant FROM {table}")} & {t.schema for t in pair}


def test_tenant_is_alone_in_what_it_knows_of_tenants_and_people(pair: tuple[TestTenant, TestTenant]) -> None:
    mine, theirs = pair
    with tenant_scope(mine.schema):
        assert _ask("SELECT schema_name FROM tenants_tenant") == [(mine.schema,)]
        assert _ask("SELECT domain FROM tenants_domain") == [(mine.host,)]
        assert {row[0] for row in _ask("SELECT tenant FROM comember")} == {mine.schema}
        for query in (
            "SELECT email FROM tenants_user",
            "UPDATE tenants_user SET name = 'x'",
            "SELECT * FROM otp_totp_totpdevice",
        ):
            _refused(query)
        _refused("UPDATE tenants_tenant SET status = 'active'")
        _refused(f"SELECT * FROM {theirs.schema}.django_migrations")
        _refused(f"CREATE TABLE {theirs.schema}.mine (a int)")
        _refused("CREATE TABLE mine (a int)")
        _refused("DELETE FROM django_migrations")


@pytest.mark.parametrize(
    "values",
    [
        "outbox_event (tenant, kind, version, subject, payload, actor, operation_id, trace_id)"
        " VALUES ('{other}', 'k', 1, 's', '{{}}', '{{}}', gen_random_uuid(), '')",
        "audit_entry (tenant, kind, action, outcome, subject, actor_ref, operation_id, trace_id, payload_digest)"
        " VALUES ('{other}', 'k', 'a', 'done', 's', 'x', gen_random_uuid(), '', '')",
        "consumer_cursor (tenant, consumer) VALUES ('{other}', 'c')",
        "dead_letter (tenant, consumer, position, error) VALUES ('{other}', 'c', 1, '')",
        # A position of one's own choice would tear the stream; a work item of one's own would stop the sealer.
        "outbox_event (position, kind, version, subject, payload, actor, operation_id, trace_id)"
        " VALUES (1, 'k', 1, 's', '{{}}', '{{}}', gen_random_uuid(), '')",
        "audit_unsealed (entry_id) SELECT max(id) FROM audit_entry",
        "audit_link (tenant, position, entry_id, hash) VALUES (current_user, 1, 1, '')",
        "audit_seal (tenant, position, root) VALUES (current_user, 1, '')",
        "audit_expired (tenant, position, period, entries, root) VALUES (current_user, 1, '2020-01-01', 1, '')",
        "outbox_head (tenant, position) VALUES (current_user, 1)",
    ],
)
def test_tenant_cannot_write_evidence_that_is_not_its_own_to_write(
    pair: tuple[TestTenant, TestTenant], values: str
) -> None:
    with tenant_scope(pair[0].schema):
        _refused("INSERT INTO evidence." + values.format(other=pair[1].schema))


@pytest.mark.parametrize(
    "table", [name for name in SHARED if name.startswith("evidence.audit_")] + ["evidence.outbox_event"]
)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET tenant = tenant"])
def test_nobody_who_uses_the_application_changes_evidence(
    pair: tuple[TestTenant, TestTenant], table: str, statement: str
) -> None:
    for scope in (tenant_scope(pair[0].schema), platform_scope(), identity_scope()):
        with scope:
            _refused(statement.format(table))


def test_platform_reads_no_tenants_schema(pair: tuple[TestTenant, TestTenant]) -> None:
    for scope in (platform_scope(), identity_scope()):
        with scope:
            _refused(f"SELECT * FROM {pair[0].schema}.django_migrations")


def test_every_shared_table_with_a_tenant_is_under_row_level_security(database: None, services: Any) -> None:
    import psycopg

    with psycopg.connect(services.postgres.url("postgres")) as db:
        rows = db.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname IN ('public', 'evidence') AND c.relkind = 'r'"
            " AND a.attname IN ('tenant', 'tenant_id', 'schema_name') AND NOT c.relrowsecurity"
        ).fetchall()
    assert rows == []
