"""The audit trail as a file: JSON lines or CSV, piece by piece, at most 100,000 entries each; the export itself is recorded."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse

from governance.selectors.lists import refuse_outsider
from governance.web.audit_filter import parsed
from guildhall.api.spreadsheets import csv_download
from guildhall.evidence.auditing import note_export
from guildhall.evidence.selectors import TrailFilter, search_trail
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid
from guildhall.kernel.tenancy import release_connection, tenant_scope

MOST = 100_000
PIECE = 500
FORMATS = ("jsonl", "csv")
COLUMNS = (
    "id", "position", "at", "actor", "actor_name", "kind", "action", "outcome", "subject", "sentence", "reason",
    "address", "operation_id", "trace_id",
)  # fmt: skip
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cut:
    """The end of a file that holds not all there is: how many entries it has, and the last one's number."""

    entries: int
    before: int

    @property
    def sentence(self) -> str:
        return f"Cut here, after {self.entries:,}; there are older entries. Export again with before={self.before}."


def download(actor: Actor, form: str, fields: dict[str, str], before: str = "") -> StreamingHttpResponse:
    """What the fields keep, newest first, of entries older than `before` (an entry's id) where that is given.

    Raises `Invalid` for another format or filter, `Denied` for clients.
    """
    refuse_outsider(actor)
    if form not in FORMATS:
        raise Invalid("There is no such format.", fields={"as": [f"Choose one of {', '.join(FORMATS)}."]})
    if before and not (before.isascii() and before.isdecimal() and len(before) <= 18):
        raise Invalid("There is no such entry.", fields={"before": ["Give the number of an entry."]})
    wanted = parsed(fields)
    note_export(actor=actor, form=form, filters={**fields, **({"before": before} if before else {})})
    return streamed(actor, form, wanted, before=int(before) if before else None)


def streamed(
    actor: Actor, form: str, wanted: TrailFilter, *, before: int | None = None, most: int = MOST
) -> StreamingHttpResponse:
    """The file itself, of the organisation that the actor acts in. Whoever calls this has written it down.

    Where there are more entries than `most`, the last line says so, and how to go on.
    """
    entries = _entries(actor, wanted, before, most)
    if form == "csv":
        return csv_download("audit.csv", COLUMNS, map(_cells, entries))
    lines = (json.dumps(_line(entry), cls=DjangoJSONEncoder, ensure_ascii=False) + "\n" for entry in entries)
    answer = StreamingHttpResponse(lines, content_type="application/x-ndjson")
    answer["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _entries(actor: Actor, wanted: TrailFilter, before: int | None, most: int) -> Iterator[Entry | Cut]:
    """Some hundred at a time; each piece enters the tenant's scope itself, as the view has ended."""
    given = 0
    while True:
        # One more than is given tells whether the file is cut.
        wants = min(PIECE, most - given)
        with tenant_scope(actor.tenant):
            piece = search_trail(wanted, before=before, limit=wants + 1)
        release_connection()
        yield from piece[:wants]
        given += wants
        if len(piece) <= wants:
            return
        before = int(piece[wants - 1]["id"])
        if given == most:
            yield Cut(given, before)
            return


def _line(entry: Entry | Cut) -> dict[str, Any]:
    if isinstance(entry, Cut):
        return {"cut": True, "entries": entry.entries, "before": entry.before, "sentence": entry.sentence}
    return {name: value for name, value in entry.items() if name != "event"}


def _cells(entry: Entry | Cut) -> list[Any]:
    if isinstance(entry, Cut):
        return [entry.sentence if name == "sentence" else "" for name in COLUMNS]
    shown = {
        **entry,
        "at": entry["at"].isoformat(),
        "actor": entry["actor"]["ref"],
        "actor_name": entry["actor"]["name"],
    }
    return ["" if shown[name] is None else shown[name] for name in COLUMNS]
