"""A project's database, on a real PostgreSQL: what the tool reads, and what neither a question nor a login can do."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpu_workers import databases
from gpu_workers.forges.vault import Opening
from gpu_workers.models import ProjectDatabase, ProjectMigrator
from gpu_workers.reach.querying import MAX_CELLS, MAX_ROWS, Database, QueryError, faults, parameters, query
from gpu_workers.repos import Workspace
from gpu_workers.sandbox import Sandbox
from gpu_workers.tests.shop_database import HERE, Server
from gpu_workers.tools import TaskBrief, ToolContext, ToolRefused, execute
from guildhall.embedded.postgres import SUPERUSER
from guildhall.kernel.errors import Conflict, Denied, Invalid, Unavailable
from guildhall.kernel.redaction import redact
from guildhall.kernel.tenancy import tenant_scope
from tests.support.evidence import secret_reads as reads
from tests.support.evidence import trail
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


def context(ask: Any, role: str = "qa") -> ToolContext:
    folder = Path(tempfile.gettempdir())
    return ToolContext(Workspace(folder), Sandbox(), role, TaskBrief("Look"), "", database=ask)


def test_rows_come_as_they_are_and_are_capped(server: Server) -> None:
    asking = context(lambda question: query(Database(server.reader), question, HERE))
    one = execute("query_db", {"query": "SELECT name, price FROM goods WHERE name LIKE '%g 7';"}, asking)
    assert one.text == '{"name":"thing 7","price":7}'
    many = execute("query_db", {"query": "WITH g AS (TABLE goods) SELECT id FROM g -- all of them"}, asking)
    assert (many.data["rows"], many.data["cut"]) == (MAX_ROWS, True)
    wide = query(Database(server.reader), "SELECT repeat('x', 100000000) AS x", HERE)
    assert len(wide.lines[0]) == MAX_CELLS


@pytest.mark.parametrize(
    "question",
    [
        "UPDATE goods SET price = 0",
        "DELETE FROM goods RETURNING id",
        "SELECT 1; DROP TABLE goods",
        "SELECT 1) AS q; DELETE FROM goods; SELECT (2",
        "SELECT 1) AS q LIMIT 1; COMMIT; SELECT * FROM (SELECT 1",
        "WITH gone AS (DELETE FROM goods RETURNING id) SELECT * FROM gone",
        "SELECT * INTO stolen FROM goods",
        "SELECT * FROM backroom.plans",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT set_config('role', 'postgres', false)",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT id FROM goods FOR UPDATE",
        "SELECT rolpassword FROM pg_authid",
        "COPY goods TO PROGRAM 'true'",
        "SET SESSION AUTHORIZATION postgres",
    ],
)
def test_no_question_changes_anything_or_leaves_its_schema(server: Server, question: str) -> None:
    result = execute("query_db", {"query": question}, context(lambda q: query(Database(server.reader), q, HERE)))
    assert not result.ok
    assert "PostgreSQL says" in result.text
    assert query(Database(server.reader), "SELECT count(*) AS n, sum(price) AS s FROM goods", HERE).lines == (
        '{"n":300,"s":45150}',
    )


def test_a_login_that_could_do_more_is_not_used(server: Server) -> None:
    for login, said in (
        ("writer:writes", "may change public.goods"),
        ("joined:joins", "is a member of writer"),
        (f"{SUPERUSER}:{server.superuser}", "has rights over the whole server"),
    ):
        found = faults(Database(server.at(login)), HERE)
        assert any(said in fault for fault in found), (login, found)
        with pytest.raises(QueryError, match="only reads"):
            query(Database(server.at(login)), "SELECT 1 AS x", HERE)
    assert faults(Database(server.reader), HERE) == []
    assert faults(Database(server.reader, ("other",)), HERE) == ["may use the schema public"]
    # What was right once is looked at again each time.
    server.run("GRANT USAGE ON SCHEMA backroom TO reader")
    try:
        with pytest.raises(QueryError, match="may use the schema backroom"):
            query(Database(server.reader), "SELECT 1 AS x", HERE)
    finally:
        server.run("REVOKE USAGE ON SCHEMA backroom FROM reader")
    server.run("CREATE FUNCTION climb() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'")
    try:
        assert "rights of its own" in faults(Database(server.reader), HERE)[0]
    finally:
        server.run("DROP FUNCTION climb()")


def test_time_is_bounded_and_a_stopped_run_waits_for_nobody(server: Server) -> None:
    stopped = threading.Event()
    timer = threading.Timer(0.3, stopped.set)
    timer.start()
    with pytest.raises(RuntimeError, match="stopped"):
        query(Database(server.reader), "SELECT pg_sleep(9)", HERE, stopped)
    timer.join()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stopped.clear()
        timer = threading.Timer(0.3, stopped.set)
        timer.start()
        nowhere = f"postgresql://a:b@127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(RuntimeError, match="stopped"):
            query(Database(nowhere), "SELECT 1 AS x", HERE, stopped)
        timer.join()


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://a:b@127.0.0.1/x",
        "postgresql://a:b@localhost/x",
        "postgresql://a:b@[::1]/x",
        "postgresql://a:b@10.0.0.1/x",
        "postgresql://a:b@169.254.169.254/x",
        "postgresql://a:b@/x?host=/var/run/postgresql",
        "postgresql://a:b@h/x?hostaddr=127.0.0.1",
        "postgresql://a:b@h1,h2/x",
        "postgresql://a:b@h/x?options=-c%20role%3Dpostgres",
        "postgresql://a:b@h/x?service=mine",
        "postgresql://a:b@h/x?passfile=/etc/passwd",
        "postgresql://a:b@h/x?sslkey=/etc/passwd",
        "postgresql://a@8.8.8.8/x",
        "postgresql://a:b@8.8.8.8/x?sslmode=disable",
        "host=8.8.8.8 user=a password=b dbname=x",
        "nonsense",
    ],
)
def test_addresses_that_lead_inside_or_elsewhere_are_refused(address: str) -> None:
    with pytest.raises((Invalid, Unavailable)):
        parameters(address, ())


def test_a_public_address_is_spoken_with_only_when_it_proves_itself() -> None:
    known = parameters("postgresql://a:b@8.8.8.8/x", ())
    assert (known["sslmode"], known["sslrootcert"], known["hostaddr"]) == ("verify-full", "system", "8.8.8.8")


def test_only_qa_and_data_may_ask_and_without_a_database_the_tool_says_so() -> None:
    for role in ("developer", "architect", "devops", "planner"):
        with pytest.raises(ToolRefused):
            execute("query_db", {"query": "SELECT 1 AS x"}, context(None, role))
    for ask in (None, lambda question: None):
        assert (
            execute("query_db", {"query": "SELECT 1 AS x"}, context(ask, "data")).text
            == "The project names no database."
        )


def test_an_admin_names_it_sealed_and_takes_it_away(
    make_tenant: Callable[..., TestTenant], server: Server, settings: Any
) -> None:
    tenant, other = make_tenant(), make_tenant()
    with tenant_scope(tenant.schema):
        admin, builder = tenant.actor("admin"), tenant.actor("developer")
        opening = Opening(tenant.system("runner"), "a query of run 4")
        wish: dict[str, Any] = {"project": "SHOP", "address": server.reader, "schemas": ["public"]}
        with pytest.raises(Invalid):
            databases.connect(actor=admin, **wish)
        settings.TOOL_NETWORKS = "127.0.0.0/8"
        with pytest.raises(Denied):
            databases.connect(actor=builder, **wish)
        with pytest.raises(Invalid) as caught:
            databases.connect(actor=admin, **{**wish, "address": server.at("writer:writes")})
        assert "may change public.goods" in str(caught.value.fields)
        assert databases.ask("SHOP", "SELECT 1 AS x", opening) is None
        assert reads() == [], "there is no secret yet"
        row = databases.connect(actor=admin, **wish)
        assert row.place == f"127.0.0.1:{server.port}/shop"
        assert "ead-the-shop" not in row.address
        assert "r/ead-the-shop" not in redact("the password is r/ead-the-shop")
        with pytest.raises(Conflict):
            databases.connect(actor=admin, **wish)
        found = databases.ask("SHOP", "SELECT 1 AS x", opening)
        assert found is not None
        assert found.lines == ('{"x":1}',)
        assert reads() == [("project:SHOP", "system:runner", "database's address", "a query of run 4")]
        assert "ead-the-shop" not in trail()
        with pytest.raises(Denied):
            databases.connect_for_migrations(actor=builder, **wish)
        with pytest.raises(Invalid) as caught:
            databases.connect_for_migrations(actor=admin, **wish)
        assert "may make nothing in the schema public" in str(caught.value.fields)
        # What was sealed to read with opens nothing to migrate with.
        moved = ProjectMigrator.objects.create(project="SHOP", address=row.address, place=row.place, schemas=["public"])
        with pytest.raises(Unavailable):
            databases.apply_migrations(moved, [], opening, again=False)
        with pytest.raises(Conflict):
            databases.connect_for_migrations(actor=admin, **wish)
    with tenant_scope(other.schema):
        opening = Opening(other.system("runner"), "a query of run 5")
        assert databases.ask("SHOP", "SELECT 1 AS x", opening) is None
        ProjectDatabase.objects.create(project="SHOP", address=row.address, place=row.place, schemas=["public"])
        with pytest.raises(Unavailable):
            databases.ask("SHOP", "SELECT 1 AS x", opening)
        assert reads() == [], "nothing was opened"
