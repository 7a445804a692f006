"""Small reads that acts on strategies, epics and sprints decide by."""

from datetime import datetime

from django.db import connection
from django.db.models import F, Q, QuerySet

from workflows.models import Epic, Story, StrategyRun
from workflows.models.schedule import FiringState

FINISHED = ("accepted", "done", "archived")
"""States in which nothing of a story is to be done any more."""


def database_now() -> datetime:
    """The database's clock, by which windows, leases and schedules are judged."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        row = cursor.fetchone()
    assert row is not None, "a SELECT without FROM gives one row"
    moment: datetime = row[0]
    return moment


def open_stories_of(epic: Epic) -> list[str]:
    """References of the epic's stories that are not finished, in their order."""
    stories = Story.objects.filter(epic=epic).exclude(state__in=FINISHED).order_by("number")
    return list(stories.values_list("reference", flat=True))


def unfinished_runs(strategy_id: int, *, before: int) -> QuerySet[StrategyRun]:
    """Firings with a lower number whose story is still to be written or worked on, oldest first.

    A story that was sent back to its draft is nobody's work at the moment, so it holds nothing up.
    """
    going_on = ~Q(story__state__in=[*FINISHED, "draft"]) | Q(story__state="draft", submitted=False)
    runs = StrategyRun.objects.filter(strategy_id=strategy_id, number__lt=before)
    return runs.filter(
        Q(state=FiringState.FIRED) | Q(going_on, state=FiringState.PLANNED, story__isnull=False, reason="")
    ).order_by(F("number"))
