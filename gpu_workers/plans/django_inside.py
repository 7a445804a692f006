"""Run inside of the sandbox, with the project's own Python and Django: its migrations and their SQL, without a database.

It begins in the folder of manage.py. `argv[1]` is JSON: `changed` paths, `app`, `migration` and `after` where they are meant.
Prints one line of JSON behind a mark, as anything may have been printed before it.
"""

import importlib
import json
import os
import re
import sys
from typing import Any

MARK = "guildhall-plan:"
ROOT = "/workspace/"
MOST = 30
OPERATIONS = 60


class Offline(Exception):
    """Somebody wanted the database."""


def settle() -> tuple[str, str]:
    """Import the project's settings and put a database in their place that is none."""
    with open("manage.py", encoding="utf-8") as stream:
        named = re.search(r"DJANGO_SETTINGS_MODULE['\"]\s*,\s*['\"]([\w.]+)", stream.read())
    if named is None:
        raise SystemExit("manage.py names no settings.")
    os.environ["DJANGO_SETTINGS_MODULE"] = named[1]
    for name in ("SECRET_KEY", "DJANGO_SECRET_KEY"):
        os.environ.setdefault(name, "no-secret-in-a-plan")
    import django
    from django.conf import settings

    wanted = settings.DATABASES.get("default", {}).get("ENGINE", "")
    settings.DATABASE_ROUTERS = []
    engine, note = wanted, ""
    try:
        importlib.import_module(f"{wanted}.base")
    except Exception as missing:
        engine = "django.db.backends.sqlite3"
        note = (
            f"The backend {wanted or 'none'} cannot be imported here ({type(missing).__name__}); the SQL is SQLite's."
        )
    lite = engine.endswith("sqlite3")
    settings.DATABASES = {"default": {"ENGINE": engine, "NAME": ":memory:" if lite else "plan"}}
    django.setup()
    return engine, note


def connected(engine: str) -> Any:
    from django.db import connection
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

    if engine.endswith("sqlite3"):
        return connection

    def refuse(*_: object) -> None:
        raise Offline

    setattr(connection, "connect", refuse)  # noqa: B010 - it is a method
    # Facts that it would ask the server for; and a transaction, which nothing here is run in.
    connection.__dict__["pg_version"] = 170000
    connection.features.can_rollback_ddl = False
    editor = connection.SchemaEditorClass
    if "postg" in engine:
        from django.db.backends.postgresql.psycopg_any import sql as quoting

        def execute(self: Any, sql: Any, params: Any = ()) -> None:
            """PostgreSQL's own asks the server to put values into statements; they are quoted here as it would."""
            if params is not None:
                sql = str(sql) % tuple(quoting.quote(value, None) for value in params)
            BaseDatabaseSchemaEditor.execute(self, sql, None)

        connection.SchemaEditorClass = type("Reading", (editor,), {"execute": execute})
    return connection


def place_of(migration: Any) -> str:
    path = sys.modules[type(migration).__module__].__file__ or ""
    return path.removeprefix(ROOT) if path.startswith(ROOT) else ""


def operation(one: Any) -> dict[str, Any]:
    named = {key: str(getattr(one, key)) for key in ("model_name", "name", "old_name", "new_name") if hasattr(one, key)}
    field = getattr(one, "field", None)
    facts: dict[str, bool] = {}
    if field is not None:
        facts = {"null": bool(field.null), "has_default": field.has_default(), "unique": bool(field.unique)}
    return {"type": type(one).__name__, "says": one.describe()[:300], "reversible": one.reversible, **named, **facts}


def sql_of(loader: Any, migration: Any) -> tuple[list[str], str]:
    try:
        return loader.collect_sql([(migration, False)]), ""
    except Offline:
        return [], "Its SQL depends on names that only the database knows."
    except Exception as trouble:
        return [], f"Its SQL cannot be made: {type(trouble).__name__}: {str(trouble)[:200]}"


def unsaid(operations: Any) -> list[str]:
    """The operations that do what their SQL does not say."""
    found = []
    for one in operations:
        if not one.reduces_to_sql:
            found.append(type(one).__name__)
        found += unsaid(getattr(one, "database_operations", ()))
    return found


def up_to(loader: Any, app: str, after: str) -> set[tuple[str, str]]:
    """A migration of an app, by how its name begins, and all that it follows."""
    there = [key for key in loader.graph.nodes if key[0] == app and key[1].startswith(after)]
    if len(there) != 1:
        raise SystemExit(f"There is not one migration of {app} whose name begins with {after}.")
    return set(loader.graph.forwards_plan(there[0]))


def named(keys: Any) -> list[str]:
    return sorted(".".join(key) for key in keys)


def missing(loader: Any) -> list[str]:
    """Changes of models that no migration makes."""
    from django.apps import apps
    from django.db.migrations.autodetector import MigrationAutodetector
    from django.db.migrations.state import ProjectState

    found = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(graph=loader.graph)
    ours = {app: made for app, made in found.items() if app_is_ours(apps.get_app_config(app))}
    return [f"{app}: {one.describe()}"[:300] for app, made in ours.items() for plan in made for one in plan.operations]


def app_is_ours(config: Any) -> bool:
    return str(os.path.realpath(config.path)).startswith(ROOT)


def plan(told: dict[str, Any]) -> dict[str, Any]:
    from django.db.migrations.loader import MigrationLoader

    engine, note = settle()
    loader = MigrationLoader(None)
    keys: list[tuple[str, str]] = []
    for leaf in sorted(loader.graph.leaf_nodes()):
        keys += [key for key in loader.graph.forwards_plan(leaf) if key not in keys]
    before = up_to(loader, told["app"], told["after"]) if told["after"] else set()
    loader.connection = connected(engine)
    steps: list[dict[str, Any]] = []
    left_out = 0
    for key in keys:
        migration, place = loader.graph.nodes[key], place_of(loader.graph.nodes[key])
        meant = key[0] == told["app"] and migration.name.startswith(told["migration"]) and key not in before
        if not (meant if told["app"] else place in told["changed"]):
            continue
        if len(steps) == MOST:
            left_out += 1
            continue
        sql, why_not = sql_of(loader, migration)
        listed = [operation(one) for one in migration.operations[:OPERATIONS]]
        steps.append({"app": key[0], "name": key[1], "path": place, "atomic": migration.atomic,
                      "operations": listed, "sql": sql, "why_not": why_not, "unsaid": unsaid(migration.operations),
                      "requires": named(node.key for node in loader.graph.node_map[key].parents),
                      "replaces": named(migration.replaces)})  # fmt: skip
    conflicts = {app: sorted(names) for app, names in loader.detect_conflicts().items()}
    return {"engine": engine.rpartition(".")[2], "note": note, "all": len(keys), "steps": steps, "left_out": left_out,
            "conflicts": conflicts, "missing": missing(loader)}  # fmt: skip


def main() -> None:
    try:
        found = plan(json.loads(sys.argv[1]))
    except BaseException as trouble:
        found = {"error": f"{type(trouble).__name__}: {str(trouble)[:400]}"}
    sys.stdout.flush()
    sys.stdout.write(f"\n{MARK}{json.dumps(found)}\n")
    sys.stdout.flush()
    os._exit(0)


main()
