"""The plan of a project's migrations: worked out in the sandbox by its own framework, judged here. Nothing is applied.

The project's code says what its migrations are, and has to be believed in that: the plan is for people who look at the
same change, not a proof against a repository that lies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

from gpu_workers.plans.risks import Risk, sorted_risks
from gpu_workers.plans.sql import risks, statements

MARK = "guildhall-plan:"
OPERATIONS: dict[str, tuple[str, str]] = {
    "DeleteModel": ("high", "drops the table with all its rows"),
    "RemoveField": ("high", "drops the column with its data"),
    "RenameModel": ("medium", "renames: code that runs now knows the old name"),
    "RenameField": ("medium", "renames: code that runs now knows the old name"),
    "AlterField": ("medium", "may change the column's type, which rewrites the table"),
    "AlterModelTable": ("medium", "renames: code that runs now knows the old name"),
    "RunPython": ("medium", "runs the project's own code, which no rule reads"),
    "SeparateDatabaseAndState": ("medium", "says one thing of the models and does another to the database"),
}
SPOKEN = re.compile(r"^-- Context impl (\w+)Impl\b", re.MULTILINE)
"""What the plan's command says of Alembic's own words on whose SQL it writes."""
BORN = re.compile(r"INSERT INTO alembic_version \(version_num\) VALUES \('([\w-]{1,64})'\)")
MOVED = re.compile(
    r"UPDATE alembic_version SET version_num='([\w-]{1,64})' WHERE alembic_version\.version_num = '([\w-]{1,64})'\Z"
)
LEFT = re.compile(r"DELETE FROM alembic_version\b")
REVISION = re.compile(r"^(revision|down_revision)\s*(?::[^=]+)?=\s*(.+)$", re.MULTILINE)
NAMED = re.compile(r"['\"]([\w-]{1,64})['\"]")


class PlanError(RuntimeError):
    """There is no plan; the message says why."""


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """One migration: what it does in words, its SQL where that can be told, and why not where it cannot.

    Of Django it has its `app`, its own name, the migrations that it `requires` and `replaces` (`app.name`), and the operations
    that its SQL leaves `unsaid`; of Alembic, the versions that it leads from and to ("" for none, or for more than one).
    """

    name: str
    path: str
    says: tuple[str, ...]
    sql: tuple[str, ...]
    why_not: str = ""
    atomic: bool = True
    app: str = ""
    migration: str = ""
    requires: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    start: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """`of` is how many migrations there are in all, `notes` what else people should know; `speaks` is whose SQL it is."""

    steps: tuple[MigrationStep, ...]
    risks: tuple[Risk, ...]
    dialect: str
    of: int
    notes: tuple[str, ...] = field(default=())
    speaks: str = ""
    left_out: int = 0


@cache
def django_program() -> str:
    """What makes the plan inside of the sandbox."""
    return (files("gpu_workers.plans") / "django_inside.py").read_text(encoding="utf-8")


def django_plan(output: str) -> MigrationPlan:
    """What the program printed, judged. Raises PlanError."""
    line = next((line for line in reversed(output.splitlines()) if line.startswith(MARK)), None)
    if line is None:
        raise PlanError("The project's settings ended the program before there was a plan.")
    try:
        found = json.loads(line.removeprefix(MARK))
        if "error" in found:
            raise PlanError(f"The project cannot be loaded here: {str(found['error'])[:500]}")
        return _judged(found)
    except (ValueError, KeyError, TypeError, AttributeError) as garbled:
        raise PlanError("The plan cannot be read.") from garbled


def _judged(found: dict[str, Any]) -> MigrationPlan:
    steps, dangers = list[MigrationStep](), list[Risk]()
    for given in found["steps"]:
        name, script = f"{given['app']}.{given['name']}"[:200], [str(one) for one in given["sql"]]
        says = tuple(str(one["says"])[:300] for one in given["operations"])
        steps.append(_step(given, name, says, tuple(script)))
        # SQLite makes every table anew: there the operations say what another database would do.
        readable = [] if found["engine"] == "sqlite3" else statements("\n".join(script))
        dangers += [*risks(readable, name), *_of_operations(given["operations"], name, read=bool(readable))]
        if script and not given["atomic"]:
            dangers.append(Risk("low", "is not one transaction: what fails stays half done", name))
    notes = [str(found["note"])[:300]] if found["note"] else []
    notes += [
        f"{app} has several ends: {', '.join(map(str, names))[:200]}" for app, names in found["conflicts"].items()
    ]
    notes += [f"No migration makes this change of a model: {str(one)[:300]}" for one in found["missing"][:20]]
    if found["left_out"]:
        notes.append(f"{int(found['left_out'])} more are left out.")
    engine, left_out = str(found["engine"])[:40], int(found["left_out"])
    return MigrationPlan(
        tuple(steps), tuple(sorted_risks(dangers)), engine, int(found["all"]), tuple(notes), engine, left_out
    )


def _step(given: dict[str, Any], name: str, says: tuple[str, ...], script: tuple[str, ...]) -> MigrationStep:
    requires, replaces, unsaid = (tuple(map(str, given[key])) for key in ("requires", "replaces", "unsaid"))
    return MigrationStep(
        name,
        str(given["path"])[:300],
        says,
        script,
        why_not=str(given["why_not"])[:300],
        atomic=bool(given["atomic"]),
        app=str(given["app"]),
        migration=str(given["name"]),
        requires=requires,
        replaces=replaces,
        unsaid=unsaid,
    )


def _of_operations(operations: Sequence[dict[str, Any]], name: str, *, read: bool) -> list[Risk]:
    """What operations are known for. Where the SQL was read, only what SQL does not show."""
    found = []
    for one in operations:
        kind, where = str(one["type"]), f"{name}: {str(one['says'])[:160]}"
        level, what = OPERATIONS.get(kind, ("", ""))
        if kind == "AddField" and not one.get("null", True) and not one.get("has_default", True):
            level, what = "high", "fails on a table with rows: NOT NULL without a default"
        if what and (not read or kind in ("RunPython", "SeparateDatabaseAndState")):
            found.append(Risk(level, what, where))
        if not one["reversible"]:
            found.append(Risk("medium", "cannot be taken back", where))
    return found


def alembic_plan(output: str, changed: Sequence[str]) -> MigrationPlan:
    """What `alembic upgrade … --sql` printed, judged. `changed` are the files of the revisions meant."""
    script = statements(output)
    start, end = _versions(script)
    step = MigrationStep(
        "upgrade", ", ".join(changed)[:300], (), tuple(f"{one};" for one in script), start=start, end=end
    )
    spoken = SPOKEN.findall(output)
    speaks = spoken[-1].lower() if spoken else ""
    return MigrationPlan((step,), tuple(risks(script, "upgrade")), "alembic", max(1, len(changed)), speaks=speaks)


def _versions(script: Sequence[str]) -> tuple[str, str]:
    """The versions that a script leads from and to; nothing where it goes more than one way."""
    moves: list[tuple[str, str]] = []
    for one in script:
        if born := BORN.match(one):
            moves.append(("", born[1]))
        elif moved := MOVED.match(one):
            moves.append((moved[2], moved[1]))
        elif LEFT.match(one):
            return "", ""
    linear = all(before[1] == after[0] for before, after in pairwise(moves))
    return (moves[0][0], moves[-1][1]) if moves and linear else ("", "")


def is_migration(path: str) -> bool:
    """Whether a file is where Django or Alembic look for migrations."""
    return path.endswith(".py") and ("migrations/" in path or "versions/" in path)


def first_revision(sources: Sequence[str]) -> str:
    """The revision that new ones (the text of their files) come after; "" where they begin, or tell no single one."""
    facts = [dict(REVISION.findall(source)) for source in sources]
    ours = {name for one in facts for name in NAMED.findall(one.get("revision", ""))}
    before = {name for one in facts for name in NAMED.findall(one.get("down_revision", ""))} - ours
    return before.pop() if len(before) == 1 else ""
