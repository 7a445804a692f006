"""Months whose time is over: the sealer drops them whole, the rest of the chain is whole, and nothing else goes that way."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import dict_row

from guildhall.evidence import selectors
from guildhall.evidence.auditing import erase_payloads
from guildhall.evidence.chain import Report, verify
from guildhall.evidence.expiry import Expiry
from guildhall.evidence.roots import publish_expired, read_expired, read_published
from guildhall.evidence.tests.poking import pokes, seal
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration

Connection = psycopg.Connection[dict[str, Any]]
TABLES = ("audit_entry", "audit_payload", "audit_link", "audit_erasure")


@pytest.fixture
def superuser(services: Any, database: None) -> Iterator[Connection]:
    with psycopg.connect(services.postgres.url("postgres"), autocommit=True, row_factory=dict_row) as db:
        db.execute("SET session_replication_role = replica")
        db.execute("SET search_path = evidence")
        yield db


@pytest.fixture
def sealer(database: None) -> Iterator[Connection]:
    with psycopg.connect(settings.SEALER_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
        yield db


@pytest.fixture
def aged(tenant: TestTenant, superuser: Connection) -> TestTenant:
    """A tenant with a month of 15 months ago, one of 14, one that is a year old and not a month more, and this one."""
    for months in (15, 14, 12, 0):
        a_month(superuser, tenant, months)
    assert report(tenant).broken is None
    return tenant


def a_month(superuser: Connection, tenant: TestTenant, months: int) -> int:
    """Three entries written and sealed in two rounds `months` ago; the last position."""
    ago = "date_trunc('month', now()) - make_interval(months => %s) + interval '3 days'"
    for start, count in ((0, 2), (2, 1)):
        pokes(tenant, count, start=start)
        if months:
            query = (
                f"UPDATE audit_entry SET at = {ago} WHERE id IN (SELECT entry_id FROM audit_unsealed WHERE tenant = %s)"
            )
            superuser.execute(query.encode(), [months, tenant.schema])
        seal()
        if months:
            query = f"UPDATE audit_seal SET at = {ago} WHERE tenant = %s AND position = %s"
            superuser.execute(query.encode(), [months, tenant.schema, end(superuser, tenant)])
    return end(superuser, tenant)


def end(db: Connection, tenant: TestTenant) -> int:
    (row,) = db.execute("SELECT max(position) AS at FROM audit_link WHERE tenant = %s", [tenant.schema]).fetchall()
    return int(row["at"])


def sweep(sealer: Connection, months: int = 12) -> int:
    return Expiry(settings.SEALER_DATABASE_URL, settings.SEALS_DIR, months).sweep(sealer)


def report(tenant: TestTenant) -> Report:
    roots, gone = read_published(settings.SEALS_DIR), read_expired(settings.SEALS_DIR)
    with psycopg.connect(settings.SEALER_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
        return verify(db, tenant.schema, roots.get(tenant.schema, {}), gone.get(tenant.schema, {}))


def count(db: Connection, table: str, tenant: TestTenant) -> int:
    (row,) = db.execute(f"SELECT count(*) AS n FROM evidence.{table} WHERE tenant = %s".encode(), [tenant.schema])
    return int(row["n"])


def test_old_months_go_whole_and_the_rest_still_proves_itself(
    aged: TestTenant, superuser: Connection, sealer: Connection
) -> None:
    whole, seals = report(aged).entries, count(superuser, "audit_seal", aged)
    with tenant_scope(aged.schema):
        erase_payloads(actor=aged.actor("admin"), about="person:1", reason="They asked for it.")
    seal()
    assert sweep(sealer) == 2
    assert sweep(sealer) == 0
    found = report(aged)
    assert (found.broken, found.entries + found.expired, found.expired > 6) == (None, whole + 1, True), str(found)
    assert f"{found.expired} before them expired" in str(found)
    for table in ("audit_entry", "audit_payload", "audit_link"):
        assert count(superuser, table, aged) == found.entries, table
    assert count(superuser, "audit_seal", aged) == seals + 1, "roots are kept"
    rows = superuser.execute("SELECT * FROM audit_expired WHERE tenant = %s ORDER BY period", [aged.schema]).fetchall()
    assert [row["position"] for row in rows][-1] == sum(row["entries"] for row in rows) == found.expired
    with tenant_scope(aged.schema):
        assert selectors.chain_state()["expired"] == found.expired
    pokes(aged, 1, start=7)
    seal()
    assert report(aged).broken is None
    assert sweep(sealer, months=13) == 0


def test_chain_that_has_expired_as_a_whole_goes_on_where_it_ended(
    tenant: TestTenant, superuser: Connection, sealer: Connection
) -> None:
    last = a_month(superuser, tenant, 20)
    assert sweep(sealer) == 1
    assert (report(tenant).entries, report(tenant).expired, report(tenant).broken) == (0, last, None)
    pokes(tenant, 1)
    seal()
    assert (end(superuser, tenant), report(tenant).broken) == (last + 1, None)


def test_what_a_superuser_drops_is_named_with_and_without_a_record_of_it(
    aged: TestTenant, superuser: Connection, sealer: Connection
) -> None:
    assert sweep(sealer) == 2
    start = report(aged).expired
    until = end(superuser, aged) - 3
    gone = "(SELECT entry_id FROM audit_link WHERE tenant = %s AND position <= %s)"
    for table, column in (("audit_payload", "entry_id"), ("audit_entry", "id"), ("audit_link", "entry_id")):
        superuser.execute(f"DELETE FROM {table} WHERE {column} IN {gone}".encode(), [aged.schema, until])
    broken = report(aged).broken
    assert broken is not None
    assert (broken.position, f"everything before {until + 1} is gone" in broken.problem) == (start + 1, True)
    superuser.execute(
        "INSERT INTO audit_expired (tenant, position, period, entries, root)"
        " SELECT tenant, position, '2020-01-01', 3, root FROM audit_seal WHERE tenant = %s AND position = %s",
        [aged.schema, until],
    )
    broken = report(aged).broken
    assert broken is not None
    assert (broken.position, "outside the database" in broken.problem) == (until, True)
    publish_expired(settings.SEALS_DIR, aged.schema, until, b"x" * 32)
    assert report(aged).broken is not None, "another root is no record of this one"


def test_months_that_were_made_to_look_old_or_changed_are_kept_as_evidence(
    tenant: TestTenant, superuser: Connection, sealer: Connection
) -> None:
    pokes(tenant, 2)
    seal()
    superuser.execute("UPDATE audit_seal SET at = at - interval '3 years' WHERE tenant = %s", [tenant.schema])
    assert sweep(sealer) == 0, "the entries, which the chain covers, are of today"
    superuser.execute("UPDATE audit_entry SET at = at - interval '3 years' WHERE tenant = %s", [tenant.schema])
    before = count(superuser, "audit_entry", tenant)
    assert sweep(sealer) == 0, "now the chain is broken"
    assert count(superuser, "audit_entry", tenant) == before


def test_sealer_itself_can_drop_nothing_but_recorded_months_that_are_over(
    aged: TestTenant, superuser: Connection, sealer: Connection
) -> None:
    """As its own login with SQL of its own: a young month, half a month, another root; rows without a record."""
    seals = superuser.execute(
        "SELECT position, root, date_trunc('month', at)::date AS period FROM audit_seal WHERE tenant = %s ORDER BY 1",
        [aged.schema],
    ).fetchall()
    insert = "INSERT INTO evidence.audit_expired (tenant, position, period, entries, root) VALUES (%s, %s, %s, 1, %s)"
    for number, period, root, why in (
        (7, seals[7]["period"], None, "younger than a year"),
        (5, seals[5]["period"], None, "younger than a year"),
        (7, seals[0]["period"], None, "no seal of that month"),
        (0, seals[0]["period"], None, "goes on behind"),
        (1, seals[1]["period"], b"x", "position and root"),
    ):
        at = seals[number]
        with pytest.raises(InsufficientPrivilege, match=why):
            sealer.execute(insert, [aged.schema, at["position"], period, root or at["root"]])
    for table in ("audit_entry", "audit_link"):
        with pytest.raises(InsufficientPrivilege):
            sealer.execute(f"DELETE FROM evidence.{table} WHERE tenant = %s".encode(), [aged.schema])
    deleted = sealer.execute("DELETE FROM evidence.audit_payload WHERE tenant = %s", [aged.schema])
    assert deleted.rowcount == 0
    for table in (*TABLES, "audit_expired", "audit_seal"):
        with pytest.raises(InsufficientPrivilege):
            sealer.execute(f"TRUNCATE evidence.{table} CASCADE".encode())
    assert sweep(sealer) == 2
    with pytest.raises(InsufficientPrivilege):
        sealer.execute("DELETE FROM evidence.audit_expired")
    with tenant_scope(aged.schema), connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tenant FROM audit_expired")
        assert cursor.fetchall() == [(aged.schema,)]
