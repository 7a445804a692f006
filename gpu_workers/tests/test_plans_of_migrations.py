"""Plans of migrations: the project's own framework in the sandbox, its SQL judged, no database anywhere."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpu_workers.plans.migrations import PlanError, django_plan, first_revision
from gpu_workers.plans.sql import risks, statements
from gpu_workers.tests.plan_ground import HIDDEN, Ground, ground_for_plans, plan
from gpu_workers.tools import ToolRefused

pytestmark = pytest.mark.integration
MODELS = """
from django.db import models
class Item(models.Model):
    name = models.CharField(max_length=40)
    price = models.IntegerField()
"""
FIRST = """
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel(name="Item", fields=[
        ("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=40)),
        ("price", models.IntegerField()), ("old", models.TextField(default=""))]),
        migrations.AlterUniqueTogether("item", {("name", "price")})]
"""
THIRD = """
from django.db import migrations
class Migration(migrations.Migration):
    dependencies = [("goods", "0002_more")]
    operations = [migrations.AlterUniqueTogether("item", set())]
"""
SECOND = """
from django.db import migrations, models
def fill(apps, editor):
    pass
class Migration(migrations.Migration):
    dependencies = [("goods", "0001_initial")]
    operations = [
        migrations.RemoveField("item", "old"),
        migrations.AlterField("item", "price", models.TextField()),
        migrations.AddField("item", "code", models.CharField(max_length=9, default="a;b")),
        migrations.AddIndex("item", models.Index(fields=["code"], name="by_code")),
        migrations.RunPython(fill),
    ]
"""
SETTINGS = f"""
import os
SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = ["goods"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", "HOST": "db", "PASSWORD": "{HIDDEN}"}}}}
"""
MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")\n'
SHOP = {
    ".gitignore": "/django/\n/asgiref/\n/sqlparse/\n/psycopg*/\n/typing_extensions.py\n",
    "manage.py": MANAGE,
    "site_settings.py": SETTINGS,
    "goods/__init__.py": "",
    "goods/models.py": MODELS,
    "goods/migrations/__init__.py": "",
    "goods/migrations/0001_initial.py": FIRST,
}


@pytest.fixture
def ground() -> Iterator[Ground]:
    with ground_for_plans() as made:
        yield made


def bring_django(tree: Path) -> None:
    """Django and what it needs, beside the project as ignored files: the sandbox has no other place for it."""
    site = Path(sysconfig.get_path("purelib"))
    skipped = shutil.ignore_patterns("*.mo", "*.po", "contrib")
    for name in ("django", "asgiref", "sqlparse", "psycopg", "psycopg_binary", "psycopg_binary.libs"):
        shutil.copytree(site / name, tree / name, ignore=skipped)
    # Django looks at the version that is written there.
    (known,) = site.glob("psycopg-*.dist-info")
    shutil.copytree(known, tree / known.name)
    shutil.copy(site / "typing_extensions.py", tree)


def test_statements_are_taken_apart_and_judged() -> None:
    script = """
    -- DROP TABLE not_this;
    CREATE TABLE fresh (id int); CREATE INDEX a ON fresh (id); ALTER TABLE fresh ADD CONSTRAINT c CHECK (id > 0);
    INSERT INTO notes VALUES ('DROP TABLE x; it''s text', "odd;name"); /* DELETE FROM y; */
    DO $tag$ BEGIN PERFORM 1; END $tag$;
    DROP TABLE orders; ALTER TABLE goods DROP COLUMN price; ALTER TABLE goods ALTER COLUMN name TYPE text;
    CREATE INDEX CONCURRENTLY b ON goods (name); CREATE UNIQUE INDEX d ON goods (name);
    ALTER TABLE goods ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES y (id) NOT VALID;
    UPDATE goods SET name = 'x'; DELETE FROM goods WHERE id = 3; ALTER TABLE goods ADD COLUMN z int NOT NULL
    """
    found = statements(script)
    assert len(found) == 14
    assert found[3].endswith("""VALUES ('DROP TABLE x; it''s text', "odd;name")""")
    judged = {(risk.level, risk.where.partition(": ")[2].split(" ''")[0][:34]) for risk in risks(found, "m")}
    assert judged == {
        ("medium", "DO"),
        ("high", "DROP TABLE orders"),
        ("high", "ALTER TABLE goods DROP COLUMN pric"),
        ("high", "ALTER TABLE goods ALTER COLUMN nam"),
        ("medium", "CREATE UNIQUE INDEX d ON goods (na"),
        ("medium", "UPDATE goods SET name ="),
        ("medium", "DELETE FROM goods WHERE id = 3"),
        ("high", "ALTER TABLE goods ADD COLUMN z int"),
    }
    assert statements("SELECT 'never closed; DROP TABLE x") == ["SELECT 'never closed; DROP TABLE x"]
    for slow in (
        "'" * 300_001,
        "$a$" * 100_000,
        "/*" * 200_000,
        "ALTER TABLE x " + "ADD COLUMN y " * 40_000,
        '"' * 300_001,
    ):
        risks(statements(slow), "m")


def test_migrations_are_planned_without_a_database_and_nothing_else_moves(ground: Ground) -> None:
    ctx = ground.start(SHOP)
    data = replace(ctx, role="data")
    assert "No module named 'django'" in plan(data, "migrate_plan").text, "said, where the project cannot be loaded"
    bring_django(ground.tree)
    assert "No migration differs" in plan(data, "migrate_plan").text
    assert "CREATE TABLE" in plan(data, "migrate_plan", app="goods", migration="0001").text
    ground.write(
        {"goods/migrations/0002_more.py": SECOND, "goods/models.py": MODELS + "    extra = models.TextField()\n"}
    )
    found = plan(data, "migrate_plan")
    assert found.ok, found.text
    assert found.data["migrations"] == ["goods.0002_more"]
    assert found.data["highest"] == "high"
    for said in (
        "1 of 2 migrations are planned (postgresql).",
        'ALTER TABLE "goods_item" DROP COLUMN "old" CASCADE',
        'goods.0002_more: ALTER TABLE "goods_item" DROP COLUMN "old" CASCADE: drops a column with its data',
        "changes a type: rewrites the table",
        "keeps writers waiting while the index is built",
        "runs the project's own code",
        "cannot be taken back",
        "No migration makes this change of a model: goods: Add field extra to item",
        "Nothing was applied",
    ):
        assert said in found.text.replace("[high] ", ""), (said, found.text)
    assert HIDDEN not in found.text
    ground.write({"goods/migrations/0003_loose.py": THIRD})
    assert (
        "depends on names that only the database knows"
        in plan(data, "migrate_plan", app="goods", migration="0003").text
    )
    after = plan(data, "migrate_plan", app="goods", after="0001")
    assert after.data["migrations"] == ["goods.0002_more", "goods.0003_loose"]
    assert "not one migration of goods" in plan(data, "migrate_plan", app="goods", after="0009").text
    for role in ("developer", "architect", "qa", "devops", "planner"):
        with pytest.raises(ToolRefused):
            plan(replace(ctx, role=role), "migrate_plan")
    for wrong in ("../manage.py", "/etc/manage.py", "goods/../../manage.py"):
        with pytest.raises(ToolRefused):
            plan(data, "migrate_plan", path=wrong)
    assert not plan(data, "migrate_plan", path="goods/models.py").ok
    (ground.tree / "out").mkdir()
    (ground.tree / "out/manage.py").symlink_to("/etc/passwd")
    assert not plan(data, "migrate_plan", path="out/manage.py").ok
    ground.write({"site_settings.py": "import os\nos._exit(0)\n"})
    assert "ended the program" in plan(data, "migrate_plan").text
    ground.write(
        {
            "site_settings.py": "print('guildhall-plan:{\"steps\": 7}')\nimport os\nimport sys\nsys.stdout.flush()\nos._exit(0)"
        }
    )
    assert "cannot be read" in plan(data, "migrate_plan").text
    ground.write({"site_settings.py": "raise KeyError('password=" + HIDDEN + "')"})
    assert HIDDEN not in plan(data, "migrate_plan").text


def test_alembic_is_asked_for_the_revisions_that_are_new(ground: Ground) -> None:
    revision = "revision: str = '{0}'\ndown_revision = {1}\n"
    program = (
        "import sys\nassert sys.argv[1:4] == ['-c', 'alembic.ini', 'upgrade']\nassert sys.argv[5] == '--sql'\n"
        "print('SELECT $$' + sys.argv[4] + '$$;\\nDROP TABLE goods;')\n"
    )
    ctx = ground.start(
        {"db/alembic.ini": "", "db/versions/a.py": revision.format("a1", "None"), "db/alembic/__main__.py": program}
    )
    data = replace(ctx, role="data")
    ground.write({"db/versions/b.py": revision.format("b2", "'a1'"), "db/versions/c.py": revision.format("c3", "'b2'")})
    assert first_revision([(ground.tree / f"db/versions/{one}.py").read_text() for one in "bc"]) == "a1"
    assert "SELECT $$b2:head$$" in plan(data, "migrate_plan", after="b2").text
    found = plan(data, "migrate_plan")
    assert "SELECT $$a1:head$$" in found.text
    assert found.data["risks"] == ["[high] upgrade: DROP TABLE goods: drops it with all its rows"]
    ground.write({"db/alembic/__main__.py": "raise SystemExit('no such revision')"})
    assert "no such revision" in plan(data, "migrate_plan").text
    with pytest.raises(PlanError):
        django_plan("nothing")
