"""What every act here does alike: versions, refusals as errors, and the fields of an audit row."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NoReturn

from django.db.models import F
from django.db.models.functions import Now

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid
from workflows.events import plain
from workflows.machines import Refusal, RefusalKind
from workflows.models import Story, Task

PERSON_LEASE = timedelta(hours=8)
AGENT_LEASE = timedelta(minutes=15)
_SEVERITY = [RefusalKind.UNKNOWN, RefusalKind.STATE, RefusalKind.WHO, RefusalKind.RULE, RefusalKind.INPUT]


def lease_for(ref: str) -> timedelta:
    """How long a claim lasts: a working day for people, minutes for agents, which renew it."""
    return AGENT_LEASE if ref.startswith("agent:") else PERSON_LEASE


def unknown_action(machine: str, name: str, known: Sequence[str]) -> Invalid:
    """The error for an act that no row of the table names."""
    problem = f"A {machine} has no action “{name[:60]}”; it has {', '.join(known)}."
    return Invalid(problem, fields={"action": [problem]})


def refuse(against: list[Refusal]) -> None:
    """Raise the error for the weightiest of these refusals; nothing when there are none."""
    for kind in _SEVERITY:
        found = [refusal for refusal in against if refusal.kind is kind]
        if found:
            _raise(kind, found)


def _raise(kind: RefusalKind, found: list[Refusal]) -> NoReturn:
    detail = " ".join(refusal.reason for refusal in found)
    if kind is RefusalKind.WHO:
        raise Denied(detail)
    if kind in (RefusalKind.STATE, RefusalKind.RULE):
        raise Conflict(detail)
    fields: dict[str, list[str]] = {}
    for refusal in found:
        fields.setdefault(refusal.field or "action", []).append(refusal.reason)
    raise Invalid(detail, fields=fields)


def save(row: Story | Task, *fields: str) -> None:
    """Write these columns, one version on."""
    row.version = F("version") + 1
    row.changed_at = Now()
    row.save(update_fields=[*fields, "version", "changed_at"])
    row.refresh_from_db(fields=["version", "changed_at", *fields])


def shown(actor: Actor) -> str:
    """The actor's name for a column that outlives it."""
    return actor.name[:200]


def named(row: Any, *fields: str) -> dict[str, Any]:
    """These columns by name, as audit rows keep them."""
    return {field: plain(getattr(row, field)) for field in fields}
