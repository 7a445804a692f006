"""Migrations on a real PostgreSQL: what is applied and recorded, what is refused as stale or unfit, and by which logins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from gpu_workers.applying.database import outcome_of
from gpu_workers.applying.migrations import applicable, migration_of
from gpu_workers.applying.outcomes import Outcome
from gpu_workers.plans.migrations import MigrationPlan, MigrationStep, alembic_plan
from gpu_workers.reach import migrating
from gpu_workers.reach.migrating import MigrateError, migrate, migrator_faults
from gpu_workers.reach.querying import Database
from gpu_workers.reach.recording import AlembicUpgrade, DjangoMigration
from gpu_workers.tests.plan_ground import ground_for_plans, plan
from gpu_workers.tests.shop_database import HERE, Server
from gpu_workers.tests.test_plans_of_migrations import SETTINGS, SHOP, bring_django

pytestmark = pytest.mark.integration
TILL = (
    "CREATE TABLE django_migrations (id bigserial PRIMARY KEY, app text, name text, applied timestamptz)",
    "INSERT INTO django_migrations (app, name, applied) VALUES ('goods', '0001_initial', now())",
    "CREATE TABLE goods_item (id bigserial PRIMARY KEY, name varchar(40), price integer, old text)",
    "INSERT INTO goods_item (name, price, old) VALUES ('mary.major@example.org', 1, '')",
)
MORE = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("goods", "0001_initial")]
    operations = [
        migrations.AddField("item", "code", models.CharField(max_length=40, default="it's 100% \\\\ new; really")),
        migrations.AddIndex("item", models.Index(fields=["code"], name="by_code")),
        migrations.RunSQL("DO $$ BEGIN RAISE NOTICE 'all is new'; END $$; SELECT 1;"),
    ]
"""


@pytest.fixture(scope="module")
def till(server: Server) -> Database:
    """A database that belongs to the login which migrates it."""
    server.run(
        "CREATE ROLE till_mate", "CREATE ROLE till_owner LOGIN PASSWORD 'owns' IN ROLE till_mate", name="postgres"
    )
    assert server.run("CREATE DATABASE till OWNER till_owner", name="postgres")
    owner = Database(server.at("till_owner:owns", name="till"))
    with psycopg.connect(owner.address) as db:
        for statement in TILL:
            db.execute(statement.encode())
    return owner


def asked(till: Database, question: str) -> object:
    with psycopg.connect(till.address) as db:
        row = db.execute(question.encode()).fetchone()
    return row[0] if row else None


def test_what_django_plans_is_what_the_database_has_then(till: Database) -> None:
    with ground_for_plans() as ground:
        ctx = replace(ground.start(SHOP), role="data")
        bring_django(ground.tree)
        ground.write({"goods/migrations/0002_more.py": MORE})
        made = plan(ctx, "migrate_plan").plan
        ground.write({"site_settings.py": SETTINGS.replace("backends.postgresql", "backends.sqlite3")})
        other = plan(ctx, "migrate_plan").plan
    assert made is not None
    assert other is not None
    assert "its SQL is that of sqlite3; what is applied has to be PostgreSQL's" in other.why_not
    assert (made.why_not, [part.name for part in made.parts]) == ("", ["goods.0002_more"])
    assert made.parts[0].facts["requires"] == ["goods.0001_initial"]
    migrations = [migration_of(part) for part in made.parts]
    (done,) = migrate(till, migrations, HERE, again=False)
    assert (done.name, done.before) == ("goods.0002_more", False)
    (notice,) = done.notices
    assert ("all is new" in notice, "may hold rows and are not told" in notice) == (False, True)
    assert asked(till, "SELECT code FROM goods_item") == "it's 100% \\ new; really"
    with pytest.raises(MigrateError, match=r"The database has goods\.0002_more already\. Plan anew\."):
        migrate(till, migrations, HERE, again=False)
    (found,) = migrate(till, migrations, HERE, again=True)
    assert (found.before, asked(till, "SELECT count(*) FROM django_migrations WHERE name = '0002_more'")) == (True, 1)


MAKE = "CREATE TABLE x (id int)"
ODD, LANGUAGE = "CREATE FOREIGN DATA WRAPPER odd", "CREATE LANGUAGE odd HANDLER plpgsql_call_handler"
OWN = "DO $$ BEGIN ALTER ROLE till_owner PASSWORD 'known'; END $$"
RULES = "nothing of it remains: it changes roles, databases or their settings"
RAISE = "DO $$ BEGIN RAISE EXCEPTION '%', (SELECT name FROM goods_item); END $$"
INSERT = "INSERT INTO x (name) VALUES ('mary.major@example.org')"


def step(name: str, *statements: str, requires: tuple[str, ...] = ("goods.0001_initial",)) -> DjangoMigration:
    return DjangoMigration("goods", name, statements, requires)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([step("x1", MAKE, "ALTER TABLE nowhere ADD y int")], 'nothing of it remains. PostgreSQL says: relation "nowhere"'),
        ([step("x1", MAKE), step("x2", requires=("goods.x0",))], "x2 follows goods.x0, which the database does not have"),
        ([step("x1", requires=("goods.x2",)), step("x2")], "x1 follows goods.x2"),
        ([step("x1"), step("0001_initial")], "has goods.0001_initial already"),
        ([step("x1", "CREATE TABLE x (id int); COMMIT")], "cannot insert multiple commands"),
        ([step("x1", MAKE, "ROLLBACK")], "ended its own transaction"),
        ([step("x1", "ROLLBACK AND CHAIN", MAKE)], "began another transaction"),
        ([step("x1", "DO $$ BEGIN COMMIT; END $$")], "invalid transaction termination"),
        ([step("x1", MAKE, "CREATE INDEX CONCURRENTLY i ON goods_item (name)")], "cannot run inside a transaction block"),
        ([step("x1", "COPY goods_item TO PROGRAM 'true'")], "nothing of it remains"),
        ([step("x1", "SET ROLE postgres")], "permission denied to set role"),
        ([step("x1", MAKE, "ALTER TABLE x ADD name text UNIQUE", INSERT, INSERT)], "duplicate key value"),
        ([step("x1", MAKE, "INSERT INTO x SELECT name::int FROM goods_item")], "a value is refused (SQLSTATE 22P02)"),
        ([step("x1", RAISE)], "code of the database's own raised P0001"),
        ([step("x1", MAKE, 'SET "role" TO till_mate')], "nothing of it remains: it acts as another role"),
        ([step("x1", MAKE, "SELECT set_config('role', 'till_mate', true)")], "it acts as another role"),
        ([step("x1", MAKE, "SELECT pg_advisory_unlock_all()")], "gave up the lock"),
        ([step("x1", "SET client_encoding = 'GBK'", MAKE)], f"{migrating.UNREAD} (client_encoding)"),
        ([step("x1", "SELECT set_config('standard_conforming_strings', 'off', true)")], migrating.UNREAD),
        ([step("x1", MAKE, OWN)], RULES),
        ([step("x1", MAKE, "ALTER ROLE till_owner SET search_path = hidden")], RULES),
        ([step("x1", MAKE, "ALTER DATABASE till SET client_encoding = 'LATIN1'")], RULES),
        ([step("x1", MAKE, "CREATE EXTENSION plpython3u")], "nothing of it remains"),
        ([AlembicUpgrade("b2", "c3", (MAKE,))], "The database is at the version none, not at b2"),
        ([AlembicUpgrade("", "c3", (MAKE,))], "left the version at none, not at c3"),
    ],
)  # fmt: skip
def test_what_fails_or_does_not_fit_leaves_nothing(
    till: Database, steps: list[DjangoMigration] | list[AlembicUpgrade], said: str
) -> None:
    with pytest.raises(MigrateError) as caught:
        migrate(till, steps, HERE, again=False)
    came = Outcome.UNKNOWN if said.endswith(" transaction") else Outcome.NOT_APPLIED
    assert (said in str(caught.value), outcome_of(caught.value)) == (True, came), (
        "what left its transaction, nobody rolls back"
    )
    assert "mary.major" not in str(caught.value), "details of PostgreSQL tell rows"
    assert not asked(
        till, "SELECT to_regclass('x') IS NOT NULL OR EXISTS (SELECT FROM django_migrations WHERE name ~ '^x')"
    )


def test_only_one_applies_at_a_time_and_what_one_sets_is_not_the_nexts(
    till: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "TURN_S", 1)
    with psycopg.connect(till.address) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [migrating.TURN])
        with pytest.raises(MigrateError, match="Somebody else applies") as caught:
            migrate(till, [step("y1")], HERE, again=False)
        assert outcome_of(caught.value) == Outcome.NOT_APPLIED
    hiding = ("CREATE SCHEMA hidden", "CREATE TABLE hidden.django_migrations (app text, name text, applied text)")
    steps = [
        step("y1", *hiding, "SET search_path = hidden"),
        step("y2", "CREATE TABLE y (id int)", requires=("goods.y1",)),
    ]
    assert [done.name for done in migrate(till, steps, HERE, again=False)] == ["goods.y1", "goods.y2"]
    assert (
        asked(till, "SELECT array_agg(name ORDER BY name)::text FROM django_migrations WHERE name ~ '^y'") == "{y1,y2}"
    )
    assert asked(till, "SELECT to_regclass('public.y') IS NOT NULL")
    steps.append(step("y3", requires=("goods.y2",)))
    assert [done.before for done in migrate(till, steps, HERE, again=True)] == [True, True, False]


def test_what_people_read_is_what_the_server_reads_whatever_its_settings(till: Database, server: Server) -> None:
    """A login or a database may be set to read other bytes or quotes than people do."""
    odd = ("client_encoding = 'LATIN1'", "standard_conforming_strings = off")
    server.run(*(f"ALTER ROLE till_owner SET {one}" for one in odd), name="postgres")
    try:
        migrate(till, [step("u1", "CREATE TABLE u AS SELECT 'caf\u00e9 \\' AS said")], HERE, again=False)
        assert asked(till, "SELECT said FROM u") == "caf\u00e9 \\"
    finally:
        server.run("ALTER ROLE till_owner RESET ALL", name="postgres")


LATER = "ALTER TABLE w ADD FOREIGN KEY (id) REFERENCES w_of DEFERRABLE INITIALLY DEFERRED"


def test_what_was_applied_before_a_refusal_is_told(till: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    first = step("w1", "CREATE TABLE w (id int)", "CREATE TABLE w_of (id int PRIMARY KEY)", LATER)
    late = step("w2", "INSERT INTO w VALUES (7)", requires=("goods.w1",))
    with pytest.raises(
        MigrateError, match=r"w2 was not applied, nothing of it remains\. .*violates foreign key"
    ) as caught:
        migrate(till, [first, late], HERE, again=False)
    assert ([one.name for one in caught.value.done], outcome_of(caught.value)) == (["goods.w1"], Outcome.PARTLY)
    cut = step("w3", "SELECT pg_terminate_backend(pg_backend_pid())", requires=("goods.w2",))
    seen = step("w2", "CREATE TABLE w_seen AS SELECT current_setting('client_connection_check_interval') AS said")
    with pytest.raises(MigrateError, match="w3 was not applied") as caught:
        migrate(till, [seen, cut], HERE, again=False)
    assert [one.name for one in caught.value.done] == ["goods.w2"]
    assert asked(till, "SELECT said FROM w_seen") == "2s"
    monkeypatch.setattr(migrating, "TOTAL_S", 2)
    with pytest.raises(MigrateError, match="did not end within 2 seconds") as caught:
        migrate(till, [step("w4"), step("w5", "SELECT pg_sleep(60)")], HERE, again=False)
    assert ([one.name for one in caught.value.done], outcome_of(caught.value)) == (["goods.w4"], Outcome.UNKNOWN)


def test_what_never_heard_of_it_has_nothing_of_it_and_what_broke_off_between_two_has_the_first(
    till: Database, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [step("s1"), step("s2", requires=("goods.s1",)), step("s3", requires=("goods.s2",))]
    closed = till.address.replace(f":{server.port}/", ":1/")
    for address in (closed, server.at("till_owner:owns", name="nowhere")):
        with pytest.raises(MigrateError, match="broke off") as caught:
            migrate(Database(address), steps, HERE, again=False)
        assert (caught.value.done, outcome_of(caught.value)) == ((), Outcome.NOT_APPLIED)
    apply = migrating._apply

    async def last(turn: Any, *given: Any) -> Any:
        found = await apply(turn, *given)
        turn.connection.pgconn.finish()
        return found

    monkeypatch.setattr(migrating, "_apply", last)
    with pytest.raises(MigrateError, match="broke off") as caught:
        migrate(till, steps, HERE, again=False)
    assert ([one.name for one in caught.value.done], outcome_of(caught.value)) == (["goods.s1"], Outcome.PARTLY)


def lose_the_answer(monkeypatch: pytest.MonkeyPatch, *, reached: bool) -> None:
    """The next COMMIT is done and its answer lost; whether the database can be `reached` after that."""
    execute = psycopg.AsyncConnection.execute

    async def away(*_: object) -> Any:
        raise psycopg.OperationalError("no route to the host")

    async def lost(self: Any, query: Any, *given: Any, **how: Any) -> Any:
        found = await execute(self, query, *given, **how)
        if query == "COMMIT":
            monkeypatch.undo()
            if not reached:
                monkeypatch.setattr(migrating, "_begun", away)
            self.pgconn.finish()
            raise psycopg.OperationalError("the connection is lost")
        return found

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", lost)


def test_a_commit_whose_answer_is_lost_is_looked_up_and_the_rest_goes_on(
    till: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_answer(monkeypatch, reached=True)
    done = migrate(till, [step("v1"), step("v2", requires=("goods.v1",))], HERE, again=False)
    assert [one.name for one in done] == ["goods.v1", "goods.v2"]
    assert asked(till, "SELECT count(*) FROM django_migrations WHERE name ~ '^v'") == 2


def test_a_commit_of_which_nothing_can_be_learned_is_not_told_as_undone(
    till: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_answer(monkeypatch, reached=False)
    steps = [step("t1"), step("t2", requires=("goods.t1",))]
    with pytest.raises(MigrateError, match=r"broke as goods\.t1 ended; look whether it was applied\.") as caught:
        migrate(till, steps, HERE, again=False)
    assert ("nothing of it remains" in str(caught.value), outcome_of(caught.value)) == (False, Outcome.UNKNOWN)
    assert caught.value.done == ()
    monkeypatch.undo()
    assert [one.before for one in migrate(till, steps, HERE, again=True)] == [True, False]


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        ("ALTER ROLE strong SUPERUSER", "is a superuser"),
        ("ALTER ROLE strong CREATEROLE", "may make roles"),
        ("ALTER ROLE strong REPLICATION", "may replicate the server"),
        ("ALTER ROLE strong BYPASSRLS", "passes by row level security"),
        ("GRANT pg_execute_server_program TO strong", "is a member of pg_execute_server_program"),
        ("GRANT pg_read_server_files TO between; GRANT between TO strong", "is a member of pg_read_server_files"),
        ("ALTER ROLE between CREATEROLE; GRANT between TO strong", "is a member of between"),
        ("GRANT EXECUTE ON FUNCTION pg_read_file(text) TO strong", "may call pg_read_file"),
        ("CREATE FUNCTION climb() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'", "climb, which acts as a superuser"),
        (f"{ODD}; GRANT USAGE ON FOREIGN DATA WRAPPER odd TO strong", "may make servers with odd"),
        (f"{ODD}; CREATE SERVER far {ODD[7:]}; GRANT USAGE ON FOREIGN SERVER far TO strong", "may use the server far"),
        (f"{LANGUAGE}; CREATE FUNCTION far() RETURNS int LANGUAGE odd AS ''", "far, which is written in odd"),
        ("REVOKE CREATE ON SCHEMA public FROM strong", "may make nothing in the schema public"),
        ("CREATE ROLE guildhall_platform; CREATE TABLE tenants_tenant (id int)", "leads to the database of this platform"),
    ],
)  # fmt: skip
def test_a_login_that_reaches_beyond_its_database_applies_nothing(server: Server, grant: str, said: str) -> None:
    assert server.run("CREATE ROLE between", "CREATE ROLE strong LOGIN PASSWORD 's'", name="postgres")
    assert server.run("CREATE DATABASE fort", name="postgres")
    strong = Database(server.at("strong:s", name="fort"))
    try:
        assert server.run("GRANT CREATE, USAGE ON SCHEMA public TO strong", name="fort")
        assert migrator_faults(strong, HERE) == []
        assert server.run(*grant.split("; "), name="fort")
        assert any(said in fault for fault in migrator_faults(strong, HERE))
        with pytest.raises(MigrateError, match="an admin has to give the project another one"):
            migrate(strong, [step("z1")], HERE, again=False)
    finally:
        server.run("DROP DATABASE fort", "REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM strong", name="postgres")
        server.run("DROP ROLE strong", "DROP ROLE between", "DROP ROLE IF EXISTS guildhall_platform", name="postgres")


def test_a_plan_that_is_not_all_sql_in_one_transaction_is_not_to_be_applied() -> None:
    fit = MigrationStep("goods.0002", "", (), ("CREATE TABLE x (id int);",), app="goods", migration="0002")
    made = MigrationPlan((fit,), (), "postgresql", 2, speaks="postgresql")
    assert applicable(made).why_not == ""
    kept = ("GRANT SELECT ON x TO reader;", "COMMENT ON TABLE x IS 'caf\u00e9 \u2014 \u6771\u4eac';")
    assert applicable(replace(made, steps=(replace(fit, sql=kept),))).why_not == ""
    for change, said in (
        ({"unsaid": ("RunPython",)}, "runs code that no SQL says: RunPython"),
        ({"atomic": False}, "is not one transaction"),
        ({"replaces": ("goods.0001",)}, "stands for other migrations"),
        ({"why_not": "Its SQL depends on names that only the database knows."}, "depends on names"),
        ({"sql": ("BEGIN; DROP TABLE x; COMMIT;",)}, "would end or leave its transaction: BEGIN"),
        ({"sql": ("SET LOCAL ROLE boss;",)}, "would end or leave its transaction"),
        ({"sql": ("CREATE INDEX CONCURRENTLY i ON x (id);",)}, "no transaction takes"),
        ({"sql": ("ALTER ROLE CURRENT_USER PASSWORD 'known';",)}, "changes what is the server's: ALTER ROLE"),
        ({"sql": ("GRANT boss\nTO x;",)}, "changes what is the server's: GRANT"),
        ({"sql": ("create  user mapping for x server y;",)}, "changes what is the server's: create"),
        ({"sql": ("DROP OWNED BY x;",)}, "changes what is the server's"),
        ({"sql": ("SELECT '\u202e;';",)}, "0002 holds a character that is not seen: U+202E (RIGHT-TO-LEFT OVERRIDE)"),
        ({"sql": ("DO $$ -- \u2066\n$$;",)}, "U+2066"),
        ({"sql": ('DROP TABLE "x\u200b";',)}, "U+200B"),
        ({"sql": ("SELECT 1\r, 2;",)}, "U+000D (control)"),
        ({"sql": ('DROP TABLE "x\u3164";',)}, "U+3164"),
        ({"sql": ("DROP TABLE x\u00a0CASCADE;",)}, "U+00A0 (NO-BREAK SPACE)"),
        ({"sql": ('DROP TABLE "x\ufe0f";',)}, "U+FE0F"),
        ({"sql": ("SELECT 1 \U000e0041;",)}, "U+E0041"),
        ({"requires": ("goods.\rx",)}, "U+000D"),
        ({"sql": ("SELECT '" + "x" * 600_000 + "';",)}, "more SQL than is read"),
    ):
        assert said in applicable(replace(made, steps=(replace(fit, **change),))).why_not, said
    assert applicable(replace(made, steps=())).why_not == "it plans no migration"
    assert "2 of its migrations are left out" in applicable(replace(made, left_out=2)).why_not
    moves = "UPDATE alembic_version SET version_num='{1}' WHERE alembic_version.version_num = '{0}';\n"
    spoken = "-- Context impl PostgresqlImpl\n"
    two = applicable(
        alembic_plan(f"BEGIN;\n{moves.format('a1', 'b2')}{moves.format('b2', 'c3')}COMMIT;\n{spoken}", ["b"])
    )
    assert (two.why_not, two.parts[0].facts["from"], two.parts[0].facts["to"]) == ("", "a1", "c3")
    assert "BEGIN" not in two.parts[0].text
    for script, said in (
        (f"{moves.format('a1', 'b2')}{moves.format('a1', 'c3')}{spoken}", "from one version to one other"),
        (
            f"{moves.format('a1', 'b2')}DELETE FROM alembic_version WHERE version_num = 'x';\n{spoken}",
            "from one version",
        ),
        (moves.format("a1", "b2"), "a database that it does not name"),
    ):
        assert said in applicable(alembic_plan(script, ["b"])).why_not
