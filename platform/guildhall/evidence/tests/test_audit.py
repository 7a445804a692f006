"""The sealed trail: what tampering with it is found, even by somebody who owns the database."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg.rows import dict_row

from guildhall.evidence import selectors
from guildhall.evidence.chain import link_hash
from guildhall.evidence.roots import UnreadableRoots, read_published
from guildhall.evidence.sealing import Sealer
from guildhall.evidence.tests.poking import checked, poke, pokes, prod, seal, wish
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clusters import ROOT
from tests.support.processes import running, until
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration

Superuser = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def superuser(services: Any, database: None) -> Iterator[Superuser]:
    """The one whom no trigger stops."""
    with psycopg.connect(services.postgres.url("postgres"), autocommit=True) as db:
        db.execute("SET session_replication_role = replica")
        db.execute("SET search_path = evidence")
        yield db


@pytest.fixture
def sealed(tenant: TestTenant) -> TestTenant:
    """A tenant with a chain of several seals."""
    for start in (0, 3, 6):
        pokes(tenant, 3, start=start)
        seal()
    assert checked(tenant) is None
    return tenant


def last(db: Superuser, tenant: TestTenant) -> int:
    row = db.execute("SELECT max(position) FROM audit_link WHERE tenant = %s", [tenant.schema]).fetchone()
    return int(row[0]) if row else 0


def entry_at(db: Superuser, tenant: TestTenant, position: int) -> int:
    query = "SELECT entry_id FROM audit_link WHERE tenant = %s AND position = %s"
    row = db.execute(query, [tenant.schema, position]).fetchone()
    assert row is not None
    return int(row[0])


def edit(db: Superuser, tenant: TestTenant, at: int) -> None:
    db.execute("UPDATE audit_entry SET actor_ref = 'person:else' WHERE id = %s", [entry_at(db, tenant, at)])


def edit_time(db: Superuser, tenant: TestTenant, at: int) -> None:
    query = "UPDATE audit_entry SET at = at + interval '1 microsecond' WHERE id = %s"
    db.execute(query, [entry_at(db, tenant, at)])


def edit_payload(db: Superuser, tenant: TestTenant, at: int) -> None:
    query = """UPDATE audit_payload SET body = jsonb_set(body, '{reason}', '"another"') WHERE entry_id = %s"""
    db.execute(query, [entry_at(db, tenant, at)])


def delete(db: Superuser, tenant: TestTenant, at: int) -> None:
    db.execute("DELETE FROM audit_entry WHERE id = %s", [entry_at(db, tenant, at)])


def delete_with_link(db: Superuser, tenant: TestTenant, at: int) -> None:
    delete(db, tenant, at)
    db.execute("DELETE FROM audit_link WHERE tenant = %s AND position = %s", [tenant.schema, at])


def reorder(db: Superuser, tenant: TestTenant, at: int) -> None:
    first, second = entry_at(db, tenant, at), entry_at(db, tenant, at + 1)
    for entry, position in ((-1, at), (first, at + 1), (second, at)):
        query = "UPDATE audit_link SET entry_id = %s WHERE tenant = %s AND position = %s"
        db.execute(query, [entry, tenant.schema, position])


def insert(db: Superuser, tenant: TestTenant, at: int) -> None:
    row = db.execute(
        "INSERT INTO audit_entry (tenant, kind, action, outcome, subject, actor_ref, operation_id, trace_id, payload_digest)"
        " SELECT tenant, kind, action, outcome, subject, actor_ref, operation_id, trace_id, payload_digest"
        " FROM audit_entry WHERE id = %s RETURNING id",
        [entry_at(db, tenant, at)],
    ).fetchone()
    assert row is not None
    db.execute("UPDATE audit_link SET position = -position WHERE tenant = %s AND position >= %s", [tenant.schema, at])
    db.execute("UPDATE audit_link SET position = 1 - position WHERE tenant = %s AND position < 0", [tenant.schema])
    db.execute("INSERT INTO audit_link VALUES (%s, %s, %s, 'x')", [tenant.schema, at, row[0]])


def edit_seal(db: Superuser, tenant: TestTenant, at: int) -> None:
    db.execute("UPDATE audit_seal SET root = 'x' WHERE tenant = %s AND position = %s", [tenant.schema, at])


def delete_seal(db: Superuser, tenant: TestTenant, at: int) -> None:
    db.execute("DELETE FROM audit_seal WHERE tenant = %s AND position = %s", [tenant.schema, at])


def swap_payloads(db: Superuser, tenant: TestTenant, at: int) -> None:
    first, second = entry_at(db, tenant, at), entry_at(db, tenant, at + 1)
    for entry, becomes in ((first, -1), (second, first), (-1, second)):
        db.execute("UPDATE audit_payload SET entry_id = %s WHERE entry_id = %s", [becomes, entry])


def forget_payload(db: Superuser, tenant: TestTenant, at: int) -> None:
    """Without anybody who asked for it."""
    db.execute("DELETE FROM audit_payload WHERE entry_id = %s", [entry_at(db, tenant, at)])


def forge_erasure(db: Superuser, tenant: TestTenant, at: int) -> None:
    """With an erasure that names an entry which is no such wish."""
    entry = entry_at(db, tenant, at)
    forget_payload(db, tenant, at)
    db.execute(
        "INSERT INTO audit_erasure (entry_id, tenant, asked_by) VALUES (%s, %s, %s)",
        [entry, tenant.schema, entry_at(db, tenant, at + 2)],
    )


def forget_beside_a_wish(db: Superuser, tenant: TestTenant, at: int) -> None:
    """With the erasure that somebody did ask for, but of what another one said."""
    entry = entry_at(db, tenant, at)
    forget_payload(db, tenant, at)
    db.execute(
        "INSERT INTO audit_erasure (entry_id, tenant, asked_by) VALUES (%s, %s, %s)",
        [entry, tenant.schema, wish(tenant)],
    )


TAMPERS = [edit, edit_time, edit_payload, delete, delete_with_link, reorder, insert, swap_payloads, forget_payload,
           forge_erasure, forget_beside_a_wish]  # fmt: skip


@pytest.mark.parametrize("tamper", TAMPERS)
def test_tampering_is_found_and_its_place_named(
    sealed: TestTenant, superuser: Superuser, tamper: Callable[[Superuser, TestTenant, int], None]
) -> None:
    at = last(superuser, sealed) - 4
    superuser.execute("ALTER TABLE audit_link DROP CONSTRAINT audit_link_position_check")
    entry = entry_at(superuser, sealed, at)
    try:
        tamper(superuser, sealed, at)
    finally:
        superuser.execute(
            "ALTER TABLE audit_link ADD CONSTRAINT audit_link_position_check CHECK (position > 0) NOT VALID"
        )
    broken = checked(sealed)
    assert broken is not None
    assert (broken.tenant, broken.position) == (sealed.schema, at)
    if tamper not in (delete_with_link, reorder, insert):
        assert broken.entry_id == entry


@pytest.mark.parametrize("tamper", [edit_seal, delete_seal])
def test_a_changed_or_missing_seal_is_named(
    sealed: TestTenant, superuser: Superuser, tamper: Callable[[Superuser, TestTenant, int], None]
) -> None:
    at = last(superuser, sealed)
    tamper(superuser, sealed, at)
    broken = checked(sealed, published=False)
    assert broken is not None
    assert (broken.position, "seal" in broken.problem) == (at, True)


def cut_off(db: Superuser, tenant: TestTenant, keep: int) -> None:
    gone = "(SELECT entry_id FROM audit_link WHERE tenant = %s AND position > %s)"
    for table, column in (("audit_payload", "entry_id"), ("audit_entry", "id")):
        db.execute(f"DELETE FROM {table} WHERE {column} IN {gone}".encode(), [tenant.schema, keep])
    for table in ("audit_link", "audit_seal"):
        db.execute(f"DELETE FROM {table} WHERE tenant = %s AND position > %s".encode(), [tenant.schema, keep])


def test_cut_off_end_is_found_by_the_published_roots_even_after_sealing_anew(
    sealed: TestTenant, superuser: Superuser
) -> None:
    end = last(superuser, sealed)
    cut_off(superuser, sealed, end - 3)
    assert checked(sealed, published=False) is None, "nothing in the database tells"
    broken = checked(sealed)
    assert broken is not None
    assert (broken.position, "cut off" in broken.problem) == (end - 2, True)
    pokes(sealed, 3, start=50)
    seal()
    broken = checked(sealed)
    assert broken is not None
    assert (broken.position, "published root" in broken.problem) == (end, True)


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ("NULL", "of no event"),
        ("(SELECT max(id) + 1000 FROM outbox_event)", "of no event"),
        ("e.event_id - 1", "of no event"),
        ("e.event_id", "of the same event already"),
    ],
    ids=["none", "one to come", "another's", "one that has its entry"],
)
def test_an_entry_put_in_at_the_end_and_sealed_as_if_it_were_one_is_named(
    sealed: TestTenant, superuser: Superuser, event: str, problem: str
) -> None:
    """With triggers on, as the application's login could: queued for sealing, its payload and digest in order."""
    with tenant_scope(sealed.schema):
        prod(actor=sealed.system())
        poke(actor=sealed.system(), times=20)
    seal()
    at = last(superuser, sealed)
    superuser.execute("SET session_replication_role = origin")
    superuser.execute(
        "WITH forged AS (INSERT INTO audit_entry"
        " (tenant, kind, action, outcome, subject, actor_ref, operation_id, trace_id, event_id, payload_digest)"
        " SELECT tenant, kind, action, outcome, subject, 'person:else', operation_id, trace_id,"
        f" {event}, payload_digest FROM audit_entry e WHERE id = %s RETURNING id)"
        " INSERT INTO audit_payload (entry_id, tenant, salt, body)"
        " SELECT forged.id, p.tenant, p.salt, p.body FROM forged, audit_payload p WHERE p.entry_id = %s".encode(),
        [entry_at(superuser, sealed, at)] * 2,
    )
    seal()
    broken = checked(sealed)
    assert broken is not None, "it was sealed as genuine"
    assert (broken.position, broken.entry_id) == (at + 1, entry_at(superuser, sealed, at + 1))
    assert problem in broken.problem


def test_entry_taken_out_of_the_chain_and_never_sealed_is_named(sealed: TestTenant, superuser: Superuser) -> None:
    pokes(sealed, 1, start=9)
    superuser.execute("DELETE FROM audit_unsealed WHERE tenant = %s", [sealed.schema])
    broken = checked(sealed)
    assert broken is not None
    assert "never queued" in broken.problem


def test_unsealed_for_too_long_is_reported(sealed: TestTenant, superuser: Superuser) -> None:
    pokes(sealed, 1, start=9)
    assert checked(sealed) is None, "a fresh one may wait"
    superuser.execute(
        "UPDATE audit_entry SET at = at - interval '16 s' WHERE id ="
        " (SELECT entry_id FROM audit_unsealed WHERE tenant = %s)", [sealed.schema]
    )  # fmt: skip
    broken = checked(sealed)
    assert broken is not None
    assert "not sealed for over" in broken.problem
    seal()
    assert checked(sealed) is None


def test_late_commit_is_sealed_behind_what_was_sealed_before_it(tenant: TestTenant, superuser: Superuser) -> None:
    seal()
    inserted, overtaken = threading.Event(), threading.Event()

    def slow() -> None:
        def wait() -> None:
            inserted.set()
            assert overtaken.wait(120)

        with tenant_scope(tenant.schema):
            poke(actor=tenant.system(), times=1, then=wait)
        connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    assert inserted.wait(120)
    pokes(tenant, 1, start=2)
    seal()
    overtaken.set()
    writer.join()
    seal()
    end = last(superuser, tenant)
    assert entry_at(superuser, tenant, end) < entry_at(superuser, tenant, end - 1), "insert order is not chain order"
    assert checked(tenant) is None


def test_chain_rewritten_with_its_seals_is_found_by_the_published_roots(
    sealed: TestTenant, superuser: Superuser
) -> None:
    """A superuser who knows how the chain is made leaves a database that proves itself; the roots outside do not fit."""
    end = last(superuser, sealed)
    edit(superuser, sealed, end - 4)
    with superuser.cursor(row_factory=dict_row) as cursor:
        query = "SELECT l.position, l.hash, e.* FROM audit_link l JOIN audit_entry e ON e.id = l.entry_id"
        rows = cursor.execute(f"{query} WHERE l.tenant = %s ORDER BY position", [sealed.schema]).fetchall()
    current = bytes(rows[end - 6]["hash"])
    for row in rows[end - 5 :]:
        current = link_hash(current, row["position"], row)
        for table, column in (("audit_link", "hash"), ("audit_seal", "root")):
            superuser.execute(
                f"UPDATE {table} SET {column} = %s WHERE tenant = %s AND position = %s".encode(),
                [current, sealed.schema, row["position"]],
            )
    assert checked(sealed, published=False) is None, "nothing in the database tells"
    broken = checked(sealed)
    assert broken is not None
    assert "published root" in broken.problem
    assert broken.position >= end - 4


def test_root_that_was_never_published_is_named_until_the_sealer_catches_up(
    tenant: TestTenant, superuser: Superuser, tmp_path: Path
) -> None:
    pokes(tenant, 1)
    sealer = Sealer(settings.SEALER_DATABASE_URL, tmp_path / "elsewhere")
    with psycopg.connect(settings.SEALER_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
        sealer.step(db)
        superuser.execute("UPDATE audit_seal SET at = at - interval '16 s' WHERE tenant = %s", [tenant.schema])
        broken = checked(tenant)
        assert broken is not None
        assert "not published" in broken.problem
        Sealer(settings.SEALER_DATABASE_URL, settings.SEALS_DIR).catch_up(db)
    assert checked(tenant) is None


@pytest.mark.parametrize("value", [1e22, -0.0, 1.5e300, 1e-7, 0.1, 100.0, "ü\u2028\n", {"b": [1, None], "a": True}])
def test_whatever_was_recorded_verifies_after_its_way_through_the_database(
    residents: tuple[TestTenant, TestTenant], value: object
) -> None:
    tenant = residents[0]
    with tenant_scope(tenant.schema):
        poke(actor=tenant.system(), times=1, after=value)
    seal()
    assert checked(tenant) is None


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "verify_audit", *arguments],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_command_tells_by_its_exit_code_and_names_the_row(sealed: TestTenant, superuser: Superuser) -> None:
    fine = command("--tenant", sealed.schema)
    assert (fine.returncode, fine.stdout.strip()) == (0, "1 audit chain whole")
    at = last(superuser, sealed) - 1
    edit(superuser, sealed, at)
    broken = command("--tenant", sealed.schema)
    assert broken.returncode == 1
    assert f"{sealed.schema}: position {at}, entry {entry_at(superuser, sealed, at)}" in broken.stderr
    unknown = command("--tenant", "org_nobody")
    assert (unknown.returncode, "org_nobody has no audit trail" in unknown.stderr) == (1, True)


def test_sealer_process_seals_and_publishes_while_it_is_verified(tenant: TestTenant, tmp_path: Path) -> None:
    with running("manage.py", "sealer", log=tmp_path / "log"):
        for start in range(0, 20, 5):
            pokes(tenant, 5, start=start)
            assert checked(tenant) is None
        with tenant_scope(tenant.schema):
            total = len(selectors.recent(limit=1000))
        until(lambda: total in read_published(settings.SEALS_DIR).get(tenant.schema, {}), what="publishing")
        assert checked(tenant) is None


def test_published_roots_that_somebody_scribbled_in_are_refused(tmp_path: Path) -> None:
    (tmp_path / "roots-2026-11.txt").write_text("org_a 1 00\n")
    with pytest.raises(UnreadableRoots, match="line 1"):
        read_published(tmp_path)
    assert read_published(tmp_path / "none") == {}
