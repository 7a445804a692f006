"""Comparing what the tables say of stories and tasks with what the recorded events say."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from guildhall.evidence.selectors import all_events
from guildhall.kernel.events import Event, load_event
from workflows.fold import FOLDED, Rebuilt, StoryState, TaskState, rebuild
from workflows.models import Story, Task

TASK_FIELDS = ("state", "holder", "implementer", "approver", "commit_sha", "rejected_sha")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the current tenant's events lead to, and each difference to its tables in words."""

    rebuilt: Rebuilt
    differences: list[str]


def compare() -> Comparison:
    """Fold the current tenant's events and compare them with its tables, both of one moment."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # the scope is set by now: the isolation level has to come before any statement
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        rebuilt = rebuild(_events())
        stories = dict(Story.objects.values_list("reference", "state"))
        tasks = {row[0]: row[1:] for row in Task.objects.values_list("reference", *TASK_FIELDS)}
    differences = [
        *rebuilt.problems,
        *_differences("story", {ref: StoryState(state) for ref, state in stories.items()}, rebuilt.stories),
        *_differences("task", {ref: TaskState(*row) for ref, row in tasks.items()}, rebuilt.tasks),
    ]
    return Comparison(rebuilt, differences)


def _events() -> Iterator[Event]:
    for row in all_events([event.kind for event in FOLDED]):
        yield load_event(row["kind"], row["version"], row["payload"])


def _differences(kind: str, table: dict[str, Any], told: dict[str, Any]) -> Iterator[str]:
    for reference in sorted(table.keys() | told.keys()):
        row, event = table.get(reference), told.get(reference)
        if row is None:
            yield f"{kind} {reference}: its events are there, its row is not"
        elif event is None:
            yield f"{kind} {reference}: its row is there, no event tells of it"
        else:
            for name in row.__slots__:
                here, there = getattr(row, name), getattr(event, name)
                if here != there:
                    yield f"{kind} {reference}: {name} is {here or 'empty'}, its events say {there or 'empty'}"
