"""The tool that plans migrations of a database: what would run, its SQL and its risks. Nothing is applied by it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from gpu_workers.applying.migrations import applicable
from gpu_workers.confined import confined_files, confined_read
from gpu_workers.plans.migrations import (
    MigrationPlan,
    PlanError,
    alembic_plan,
    django_plan,
    django_program,
    first_revision,
    is_migration,
)
from gpu_workers.plans.risks import told
from gpu_workers.repos import workspace_diff
from gpu_workers.sandbox import SandboxCommand, SandboxLimits, SandboxResult
from gpu_workers.tools.bounds import checked_path, readable, shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, Sensitivity, ToolContext, ToolResult
from gpu_workers.tools.files import MAX_READ, PATH

LIMITS = SandboxLimits(cpu_s=60, wall_s=120.0, output=4 * 1024 * 1024)
ENTRY = ("manage.py", "alembic.ini")
DJANGO = 'cd -- "$1" && exec python3 -c "$2" "$3"'
ALEMBIC = (
    'cd -- "$1" && python3 -m alembic -c alembic.ini upgrade "$2" --sql 2>/tmp/said '
    "|| { tail -c 500 /tmp/said; exit 1; }; "
    'grep -o "Context impl [A-Za-z]*" /tmp/said | sed "s/^/-- /"; true'
)
MOST_CHANGED = 500
SQL_SHOWN = 60
"""Statements of one migration that are shown."""
END = "Nothing was applied; applying it is a deployment that people approve."


@dataclass(frozen=True, slots=True)
class MigrationTool(FunctionTool):
    """A tool that makes sense only where a framework of migrations is in use."""

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.workspace.tree.is_dir() and bool(_entries(ctx))


def _entries(ctx: ToolContext) -> list[str]:
    return [
        path for path in confined_files(ctx.workspace.tree) if path.rpartition("/")[2] in ENTRY and readable(path, ctx)
    ]


def migrate_plan(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    given = arguments.get("path", "")
    if given and checked_path(given, ctx).rpartition("/")[2] not in ENTRY:
        return ToolResult(False, f"Name the project's {' or '.join(ENTRY)}.")
    there = [checked_path(given, ctx)] if given else _entries(ctx)
    if len(there) != 1:
        known = f" Name one of {', '.join(there[:10])}." if there else ""
        return ToolResult(False, f"There is not one project of Django or Alembic here.{known}")
    # Read first: a path that is a link or nothing at all is refused before anything runs.
    confined_read(ctx.workspace.tree, there[0], MAX_READ)
    try:
        made = (_django if there[0].endswith("manage.py") else _alembic)(there[0], arguments, ctx)
    except PlanError as why:
        return ToolResult(False, shown(str(why), ctx))
    levels = [risk.level for risk in made.risks]
    data = {
        "migrations": [step.name for step in made.steps],
        "risks": [str(risk) for risk in made.risks],
        "highest": levels[0] if levels else "",
    }
    return ToolResult(True, shown("\n".join(_told(made)), ctx), data, plan=applicable(made))


def _django(entry: str, arguments: dict[str, Any], ctx: ToolContext) -> MigrationPlan:
    wanted = {
        "changed": _changed(ctx),
        "app": arguments.get("app", ""),
        "migration": arguments.get("migration", ""),
        "after": arguments.get("after", ""),
    }
    folder = os.path.dirname(entry) or "."
    ended = _run(["/bin/sh", "-c", DJANGO, "plan", folder, django_program(), json.dumps(wanted)], ctx)
    return django_plan(ended.output)


def _alembic(entry: str, arguments: dict[str, Any], ctx: ToolContext) -> MigrationPlan:
    """The revisions after the one that is named, else those that this workspace adds; the whole history where it adds none."""
    folder, tree = os.path.dirname(entry), ctx.workspace.tree
    new = [path for path in _changed(ctx) if path.startswith(f"{folder}/" if folder else "") and "/versions/" in path]
    present = [path for path in new if path in confined_files(tree)]
    texts = [confined_read(tree, path, MAX_READ).decode("utf-8", "replace") for path in present]
    start = arguments.get("after") or (first_revision(texts) if texts else "")
    span = f"{start}:head" if start else "head"
    ended = _run(["/bin/sh", "-c", ALEMBIC, "plan", folder or ".", span], ctx)
    if not ended.ok:
        raise PlanError(f"Alembic makes no plan here: {ended.output.strip()[-500:]}")
    return alembic_plan(ended.output, present)


def _run(words: list[str], ctx: ToolContext) -> SandboxResult:
    ended = ctx.sandbox.run(SandboxCommand(words, ctx.workspace.tree, limits=LIMITS), None, ctx.cancel)
    if limit := LIMITS.spoiled(ended):
        raise PlanError(f"The plan was not made: {limit}.")
    return ended


def _changed(ctx: ToolContext) -> list[str]:
    """Files that differ from the commit which the work began on."""
    found = workspace_diff(ctx.workspace, ctx.base_sha) if ctx.base_sha else []
    return [change.path for change in found if is_migration(change.path)][:MOST_CHANGED]


def _told(made: MigrationPlan) -> list[str]:
    lines = [f"{len(made.steps)} of {made.of} migrations are planned ({made.dialect})." if made.steps else _none(made)]
    lines += [*made.notes, *told(list(made.risks)), ""]
    for step in made.steps:
        lines += [f"== {step.name} {step.path}".rstrip(), *(f"   {line}" for line in step.says)]
        lines += [*step.sql[:SQL_SHOWN], *([step.why_not] if step.why_not else [])]
        if len(step.sql) > SQL_SHOWN:
            lines.append(f"[… {len(step.sql) - SQL_SHOWN} more statements …]")
    return [*lines, END]


def _none(made: MigrationPlan) -> str:
    return f"No migration differs from the commit that this began on; there are {made.of}. Name an app to see its own."


MIGRATION_TOOLS = (
    MigrationTool(
        "migrate_plan",
        "Plan the migrations of this workspace without a database: what would run, its SQL, and what is dangerous about it "
        "(data dropped, types changed, locks). Of those that changed, or of one app. Nothing is applied.",
        {
            "path": {**PATH, "description": "manage.py or alembic.ini, where there are several."},
            "app": {"type": "string", "pattern": r"^[A-Za-z_]\w{0,60}$"},
            "migration": {"type": "string", "pattern": r"^[\w-]{1,120}$", "description": "How its name begins."},
            "after": {
                "type": "string",
                "pattern": r"^\w[\w-]{0,119}$",
                "description": "The last one that the database has: those of the app, or the revisions, that come after it.",
            },
        },
        (),
        ActionClass.TEST,
        migrate_plan,
        Sensitivity.MEDIUM,
    ),
)
