"""The audit trail as a file: JSON lines or CSV, piece by piece, at most 100,000 entries; the export itself is recorded."""

import json
from collections.abc import Iterator
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


def download(actor: Actor, form: str, fields: dict[str, str]) -> StreamingHttpResponse:
    """What the fields keep, newest first. Raises `Invalid` for another format or filter, `Denied` for clients."""
    refuse_outsider(actor)
    if form not in FORMATS:
        raise Invalid("There is no such format.", fields={"as": [f"Choose one of {', '.join(FORMATS)}."]})
    wanted = parsed(fields)
    note_export(actor=actor, form=form, filters=fields)
    return streamed(actor, form, wanted)


def streamed(actor: Actor, form: str, wanted: TrailFilter) -> StreamingHttpResponse:
    """The file itself, of the organisation that the actor acts in. Whoever calls this has written it down."""
    if form == "csv":
        return csv_download("audit.csv", COLUMNS, map(_cells, _entries(actor, wanted)))
    lines = (
        json.dumps(_line(entry), cls=DjangoJSONEncoder, ensure_ascii=False) + "\n" for entry in _entries(actor, wanted)
    )
    answer = StreamingHttpResponse(lines, content_type="application/x-ndjson")
    answer["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _entries(actor: Actor, wanted: TrailFilter) -> Iterator[dict[str, Any]]:
    """Some hundred at a time; each piece enters the tenant's scope itself, as the view has ended."""
    before = None
    for _ in range(MOST // PIECE):
        with tenant_scope(actor.tenant):
            piece = search_trail(wanted, before=before, limit=PIECE)
        release_connection()
        yield from piece
        if len(piece) < PIECE:
            return
        before = piece[-1]["id"]


def _line(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "event"}


def _cells(entry: dict[str, Any]) -> list[Any]:
    shown = {
        **entry,
        "at": entry["at"].isoformat(),
        "actor": entry["actor"]["ref"],
        "actor_name": entry["actor"]["name"],
    }
    return ["" if shown[name] is None else shown[name] for name in COLUMNS]
