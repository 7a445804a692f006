"""Comparing what the tables say of plans, stories, tasks and councils with what the recorded events say."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from guildhall.evidence.selectors import all_events
from guildhall.kernel.events import Event, load_event
from workflows.fold import FOLDED, Rebuilt, StoryState, rebuild
from workflows.fold_plans import CouncilTold, PlanState
from workflows.fold_tasks import TaskState
from workflows.models import Council, Decision, Derivation, Epic, Sprint, Story, Strategy, StrategyRun, Task, TaskPart
from workflows.models.schedule import FiringState

STORY_FIELDS = ("state", "sprint_id", "assignee", "feedback", "tasks_made", "dor_score")
TASK_FIELDS = ("state", "holder", "implementer", "reviewer", "tester", "approver", "commit_sha", "rejected_sha",
               "merged_sha", "handed_in", "claim_token", "feedback")  # fmt: skip


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
        differences = [
            *rebuilt.problems,
            *_differences("story", _stories(), rebuilt.stories),
            *_differences("task", _tasks(), rebuilt.tasks),
            *_differences("", _plans(), rebuilt.plans),
            *_differences("", _councils(), rebuilt.councils),
        ]
    return Comparison(rebuilt, differences)


def _stories() -> dict[str, StoryState]:
    last = Derivation.objects.filter(story=OuterRef("pk")).order_by("-pk").values("state")[:1]
    proposal = Coalesce(Subquery(last), Value(""))
    rows = Story.objects.annotate(proposal=proposal).values_list("reference", *STORY_FIELDS, "proposal")
    return {ref: StoryState(state, _ref("sprint", sprint), *rest) for ref, state, sprint, *rest in rows}


def _tasks() -> dict[str, TaskState]:
    parts: dict[str, set[tuple[str, str]]] = {}
    for task, actor, part in TaskPart.objects.values_list("task__reference", "actor", "part"):
        parts.setdefault(task, set()).add((actor, part))
    found = {}
    for row in Task.objects.only("reference", *TASK_FIELDS):
        values: dict[str, Any] = {name: getattr(row, name) for name in TASK_FIELDS}
        values |= {"handed_in": tuple(row.handed_in), "parts": frozenset(parts.get(row.reference, ()))}
        found[row.reference] = TaskState(**values)
    return found


def _plans() -> dict[str, PlanState]:
    """A firing whose story is written and not submitted yet has no event of its own: it counts as fired."""
    found: dict[str, PlanState] = {}
    for model in (Sprint, Strategy, Epic):
        rows = model.objects.all()
        found |= {row.ref: PlanState(str(row.state)) for row in rows}
    for firing in StrategyRun.objects.all():
        written = firing.state == FiringState.PLANNED and not firing.submitted
        state = FiringState.FIRED if written else firing.state
        found[f"firing:{firing.strategy_id}.{firing.number}"] = PlanState(str(state))
    for decision in Decision.objects.all():
        found[decision.ref] = PlanState(decision.verdict, _ref("decision", decision.superseded_by_id))
    return found


def _councils() -> dict[str, CouncilTold]:
    rows = Council.objects.select_related("story", "winner")
    return {
        row.ref: CouncilTold(
            story=row.story.reference,
            about=row.subject,
            state=str(row.state),
            phase=row.phase,
            winner=row.winner.letter if row.winner else "",
            decision=_ref("decision", row.decision_id),
            stands=row.stands,
            waived=bool(row.waived_by),
        )
        for row in rows
    }


def _ref(kind: str, pk: int | None) -> str:
    return f"{kind}:{pk}" if pk else ""


def _events() -> Iterator[Event]:
    for row in all_events([event.kind for event in FOLDED]):
        yield load_event(row["kind"], row["version"], row["payload"])


def _differences(kind: str, table: dict[str, Any], told: dict[str, Any]) -> Iterator[str]:
    for reference in sorted(table.keys() | told.keys()):
        row, event, name = table.get(reference), told.get(reference), f"{kind} {reference}".strip()
        if row is None:
            yield f"{name}: its events are there, its row is not"
        elif event is None:
            yield f"{name}: its row is there, no event tells of it"
        else:
            for field in row.__slots__:
                here, there = getattr(row, field), getattr(event, field)
                if there is not None and here != there:
                    yield f"{name}: {field} is {here or 'empty'}, its events say {there or 'empty'}"
