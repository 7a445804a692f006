"""Applying plans of migrations to the PostgreSQL that the project names for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from governance.autonomy import ActionClass as Effect
from gpu_workers import databases
from gpu_workers.applying.migrations import KIND, migration_of
from gpu_workers.applying.orders import Order, mark_of, nothing
from gpu_workers.applying.outcomes import Outcome
from gpu_workers.connections import named
from gpu_workers.forges.vault import Opening
from gpu_workers.models import ProjectMigrator
from gpu_workers.reach.migrating import Done, MigrateError
from gpu_workers.tools.contract import ToolResult


@dataclass(frozen=True, slots=True)
class DatabaseApplier:
    """Applies plans of migrations."""

    kind: str = KIND
    effects: tuple[Effect, ...] = (Effect.CHANGE_DATA,)

    def place(self, project: str) -> str:
        row = named(ProjectMigrator, project)
        return row.where if row else ""

    def login(self, project: str) -> str:
        row = named(ProjectMigrator, project)
        return mark_of(row.address) if row else ""

    def apply(self, order: Order, opening: Opening, *, again: bool, cancel: threading.Event | None) -> ToolResult:
        # One look: what is compared here is what is opened and called, whatever is named meanwhile.
        row = named(ProjectMigrator, order.project)
        if row is None or (row.where, mark_of(row.address)) != (order.place, order.login):
            return nothing(f"{order.project} names another database or login now.")
        migrations = [migration_of(part) for part in order.plan.parts]
        try:
            done = databases.apply_migrations(row, migrations, opening, again=again, cancel=cancel)
        except MigrateError as why:
            came = {"applied": len(why.done), "outcome": outcome_of(why)}
            return ToolResult(False, "\n".join([*map(_told, why.done), str(why)]), came)
        lines = [f"{len(done)} of {len(migrations)} migrations are applied to {order.place}.", *map(_told, done)]
        return ToolResult(True, "\n".join(lines), {"applied": len(done), "outcome": Outcome.APPLIED})


def outcome_of(why: MigrateError) -> Outcome:
    """How much the database has of what was not applied to its end."""
    if why.unsure:
        return Outcome.UNKNOWN
    return Outcome.PARTLY if why.done else Outcome.NOT_APPLIED


def _told(one: Done) -> str:
    if one.before:
        return f"{one.name}: applied by the worker before."
    said = "".join(f"\n   {notice}" for notice in one.notices)
    return f"{one.name}: applied, {one.statements} statements in {one.seconds:.1f} s.{said}"
