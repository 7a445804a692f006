"""What may be told of a place in the work: its stories, tasks and decisions, found by words. Bounded, whatever there is.

Rows are read by the columns that are told; business notes are not among them, neither here nor in the words that find: the
column `search_told` of a story does not have them (`workflows.selectors.search`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.search import SearchQuery
from django.db import connection
from django.db.models import Case, CharField, Count, F, FloatField, Func, Model, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast, Concat

from guildhall.kernel.actor import Actor
from workflows.models import Decision, Epic, Sprint, Story, Strategy, Task
from workflows.selectors.lists import stories_visible_to, tasks_visible_to
from workflows.selectors.search import CONFIG, SearchColumn
from workflows.selectors.tree import decisions_visible_to

STORY_TOLD = ("reference", "state", "title", "brief", "acceptance", "evidence")
TASK_TOLD = ("reference", "state", "role", "story__reference", "title", "acceptance", "evidence", "feedback")
DECISION_TOLD = (
    "pk", "kind", "title", "rationale", "alternatives", "affects", "verdict", "decided_by_name", "decided_at", "council__pk",
)  # fmt: skip
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody stands: a project by its key and, where there are any, story and task by reference, the rest by id."""

    project: str
    story: str = ""
    task: str = ""
    epic: int | None = None
    strategy: int | None = None
    sprint: int | None = None

    @property
    def refs(self) -> list[str]:
        """What a decision has to affect to affect whoever stands here, the nearest first."""
        named = (
            ("task", self.task),
            ("story", self.story),
            ("epic", self.epic),
            ("sprint", self.sprint),
            ("strategy", self.strategy),
            ("project", self.project),
        )
        return [f"{kind}:{name}" for kind, name in named if name]


def place_of(actor: Actor, project: str, story: str = "", task: str = "") -> Place:
    """The place of a story or task that the actor may know of; without them, that of the project."""
    columns = ("epic_id", "strategy_id", "sprint_id")
    row = stories_visible_to(actor).filter(reference=story, project__key=project).values_list(*columns).first()
    return Place(project) if row is None else Place(project, story, task, *row)


def stories_within(actor: Actor, place: Place, breadth: str) -> QuerySet[Story]:
    """Stories of the place's project that the actor may know of: its `own`, those of its `epic`, or all of the `project`."""
    rows = stories_visible_to(actor).filter(project__key=place.project)
    if breadth == "project":
        return rows
    if breadth == "epic" and place.epic is not None:
        return rows.filter(epic=place.epic)
    return rows.none() if breadth == "nothing" else rows.filter(reference=place.story)


def tasks_within(actor: Actor, place: Place, breadth: str) -> QuerySet[Task]:
    """Tasks likewise; an architect's place without an epic is its whole story."""
    rows = tasks_visible_to(actor).filter(story__project__key=place.project)
    if breadth == "project":
        return rows
    if breadth == "epic":
        return rows.filter(story__epic=place.epic) if place.epic else rows.filter(story__reference=place.story)
    return rows.none() if breadth == "nothing" else rows.filter(reference=place.task)


def decisions_within(actor: Actor, place: Place, breadth: str, kinds: Sequence[str] = ()) -> QuerySet[Decision]:
    """Decisions in force that affect the place or, by the breadth, something of its epic or project; and of these kinds,
    whatever of the project they affect. What a council chose is in force until a person rejects it.

    One that names nothing of the project is of no place: it may be another project's.
    """
    stands = Q(council=None, verdict="approved") | Q(council__stands=True, verdict__in=["approved", "proposed"])
    rows = decisions_visible_to(actor).filter(stands, superseded_by=None)
    if breadth == "nothing":
        return rows.none()
    affects = Q(affects__overlap=place.refs)
    if breadth == "epic" and place.epic is not None:
        affects |= _names("story", Story.objects.filter(epic=place.epic), "reference")
        affects |= _names("task", Task.objects.filter(story__epic=place.epic), "reference")
    if breadth == "project":
        affects |= _of_project(place.project)
    elif kinds:
        affects |= Q(kind__in=kinds) & _of_project(place.project)
    named = Func(F("affects"), Value(" "), function="array_to_string", output_field=TextField())
    return rows.annotate(named=Concat(Value(" "), named, output_field=TextField())).filter(affects)


def _of_project(key: str) -> Q:
    """Whether a decision affects anything of a project; asked of rows with `named`, all that they affect in one text."""
    inside = Q(affects__contains=[f"project:{key}"])
    for kind in ("story", "task"):
        inside |= Q(named__contains=f" {kind}:{key}-")
    for kind, model in (("epic", Epic), ("sprint", Sprint), ("strategy", Strategy)):
        inside |= _names(kind, model._default_manager.filter(project__key=key), "pk")
    return inside


def _names(kind: str, rows: "QuerySet[Any]", column: str) -> Q:
    """Whether a decision affects one of these rows."""
    name = Concat(Value(f"{kind}:"), Cast(column, CharField()), output_field=CharField())
    return Q(affects__overlap=ArraySubquery(rows.order_by().annotate(ref=name).values("ref")))


def stems(words: Sequence[str]) -> dict[str, str]:
    """The stem of each word, as the index of words has it; what says nothing ("the") is left out. One statement."""
    if not words:
        return {}
    with connection.cursor() as cursor:
        asked = (
            "SELECT word, (pg_catalog.ts_lexize('pg_catalog.english_stem', word))[1] FROM unnest(%s::text[]) AS word"
        )
        cursor.execute(asked, [[word.replace("\0", "") for word in words]])
        return {word: stem for word, stem in cursor.fetchall() if stem}


def frequencies(rows: QuerySet[M], words: Mapping[str, str]) -> dict[str, int]:
    """How many of the rows have each word, by its key. One statement, answered from the index of words."""
    if not words:
        return {}
    counted = {f"n{at}": Count("pk", filter=Q(words=_query(word))) for at, word in enumerate(words.values())}
    found = _having(rows, words).aggregate(**counted)
    return {key: found[f"n{at}"] for at, key in enumerate(words)}


def best(
    rows: QuerySet[M], words: Mapping[str, str], worth: Mapping[str, float], also: Q, limit: int
) -> "QuerySet[Any]":
    """The rows that have any of the words or that `also` names: those first, then by what their words are worth."""
    score: Any = Case(When(also, then=Value(1_000.0)), default=Value(0.0), output_field=FloatField())
    for key, word in words.items():
        has = When(words=_query(word), then=Value(worth[key]))
        score += Case(has, default=Value(0.0), output_field=FloatField())
    found: QuerySet[Any] = _having(rows, words, also).annotate(score=score).order_by("-score", "-pk")[:limit]
    return found


def _having(rows: QuerySet[M], words: Mapping[str, str], also: Q | None = None) -> "QuerySet[Any]":
    any_word = also or Q(pk__in=[])
    for word in words.values():
        any_word |= Q(words=_query(word))
    found: QuerySet[Any] = rows.order_by().annotate(words=SearchColumn(told=rows.model is Story)).filter(any_word)
    return found


def _query(word: str) -> SearchQuery:
    return SearchQuery(word, config=CONFIG, search_type="plain")
