"""What acts on strategies, epics, sprints and decisions do alike."""

from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from guildhall.kernel.errors import Conflict, Invalid
from workflows.models import Decision, Epic, Project, Sprint, Strategy
from workflows.plan_acts import act_of

Versioned = Project | Strategy | Epic | Sprint | Decision
"""Rows whose version rises with every change."""


def in_state(kind: str, state: str, name: str) -> None:
    """Raises `Conflict` when the act `name` is not one of this state."""
    act = act_of(kind, name)
    if state not in act.states:
        raise Conflict(f"This {kind} is {state}; {name.replace('_', ' ')} is for {' or '.join(act.states)}.")


def keep(row: Versioned, *fields: str) -> None:
    """Write these columns, one version on."""
    row.version = F("version") + 1
    columns = [*fields, "version"]
    if not isinstance(row, (Project, Decision)):
        row.changed_at = Now()
        columns.append("changed_at")
    row.save(update_fields=columns)
    row.refresh_from_db()


class Problems:
    """Gathers what is wrong with an input, field by field."""

    def __init__(self, detail: str) -> None:
        self._detail = detail
        self._fields: dict[str, list[str]] = {}

    def add(self, field: str, problem: str) -> None:
        self._fields.setdefault(field, []).append(problem)

    def text(self, values: dict[str, Any], field: str, limit: int, *, required: str = "") -> None:
        """Check a text among `values`, where it is given: its length, and with `required` (what to say) that it says anything."""
        if field not in values:
            return
        said = values[field].strip()
        if required and not said:
            self.add(field, required)
        if len(said) > limit:
            self.add(field, f"At most {limit} characters; this has {len(said)}.")
        values[field] = said

    def refuse(self) -> None:
        """Raises `Invalid` with everything gathered; nothing when there is nothing."""
        if self._fields:
            raise Invalid(self._detail, fields=self._fields)
