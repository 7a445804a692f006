"""The filtered list as a file: CSV or JSON, row by row, however long; what the reader may see and nothing else."""

import csv
import json
from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import Prefetch
from django.http import HttpResponse, StreamingHttpResponse

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid
from guildhall.kernel.tenancy import release_connection, tenant_scope
from guildhall.portal.views import PageRequest, page
from workflows.models import Label, Story
from workflows.policies import sees_all
from workflows.selectors.filters import StoryFilter, matching

PIECE = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
FORMATS = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
COLUMNS: dict[str, Callable[[Story], Any]] = {
    "reference": lambda s: s.reference,
    "title": lambda s: s.title,
    "project": lambda s: s.project.key,
    "state": lambda s: s.state,
    "size": lambda s: s.size,
    "priority": lambda s: s.priority,
    "dor_score": lambda s: s.dor_score,
    "author": lambda s: s.author_name,
    "created_at": lambda s: s.created_at.isoformat(),
    "changed_at": lambda s: s.changed_at.isoformat(),
}
TEAM_COLUMNS: dict[str, Callable[[Story], Any]] = {
    "epic": lambda s: s.epic.title if s.epic else "",
    "sprint": lambda s: s.sprint.name if s.sprint else "",
    "assignee": lambda s: s.assignee_name,
    "labels": lambda s: [label.name for label in s.labels.all()],
    "client_visible": lambda s: s.client_visible,
    "budget_usd": lambda s: "" if s.budget_usd is None else f"{s.budget_usd.normalize():f}",
}
"""What clients do not get."""


@page
def export(request: PageRequest) -> HttpResponse:
    """The list with the filter in the address, as a download: `?as=csv` or `?as=json`."""
    return download(request.actor, StoryFilter.parse(request.GET), request.GET.get("as", "csv"))  # type: ignore[return-value]


def download(actor: Actor, wanted: StoryFilter, form: str) -> StreamingHttpResponse:
    """A streamed file of all stories that the filter keeps. Raises `Invalid` for another format than csv or json."""
    if form not in FORMATS:
        problem = f"Choose one of {', '.join(FORMATS)}."
        raise Invalid("There is no such format.", fields={"as": [problem]})
    lines = _csv(actor, wanted) if form == "csv" else _json(actor, wanted)
    answer = StreamingHttpResponse(lines, content_type=FORMATS[form])
    answer["Content-Disposition"] = f'attachment; filename="stories.{form}"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _rows(actor: Actor, wanted: StoryFilter) -> Iterator[dict[str, Any]]:
    """Rows by number, some hundred at a time; each piece enters the tenant's scope itself, as the view has ended."""
    columns = {**COLUMNS, **TEAM_COLUMNS} if sees_all(actor) else COLUMNS
    last = 0
    while True:
        with tenant_scope(actor.tenant):
            found = matching(actor, wanted).filter(pk__gt=last).order_by("pk")
            labels = Prefetch("labels", Label.objects.order_by("name"))
            piece = list(found.prefetch_related(labels)[:PIECE])
            rows = [{name: read(story) for name, read in columns.items()} for story in piece]
        release_connection()
        yield from rows
        if len(piece) < PIECE:
            return
        last = piece[-1].pk


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _csv(actor: Actor, wanted: StoryFilter) -> Iterator[str]:
    writer = csv.writer(_Echo())
    columns = {**COLUMNS, **TEAM_COLUMNS} if sees_all(actor) else COLUMNS
    yield writer.writerow(columns)
    for row in _rows(actor, wanted):
        yield writer.writerow([cell(value) for value in row.values()])


def cell(value: Any) -> str:
    """Text for a spreadsheet: what would be taken for a formula is marked as text."""
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _json(actor: Actor, wanted: StoryFilter) -> Iterator[str]:
    yield "["
    for number, row in enumerate(_rows(actor, wanted)):
        yield ("," if number else "") + "\n" + json.dumps(row, ensure_ascii=False)
    yield "\n]\n"
