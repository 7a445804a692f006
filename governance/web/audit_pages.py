"""Pages of the audit trail: searched and taken along, everything of one operation, and the chain's own state."""

import re
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render

from governance.selectors.lists import refuse_outsider
from governance.web import audit_export
from governance.web.audit_filter import given, parsed
from guildhall.evidence.auditing import verify_own
from guildhall.evidence.roots import UnreadableRoots
from guildhall.evidence.selectors import TrailFilter, chain_state, search_trail
from guildhall.kernel.errors import Conflict, Invalid, NotFound
from guildhall.portal.activity import Entry, entries, in_words
from guildhall.portal.registry import parties
from guildhall.portal.views import PageRequest, form_page, page

PAGE = 50
MOST_OF_ONE = 500
UUID_LENGTH = 36
NAMED = ("person", "agent", "system")


@form_page
def audit(request: PageRequest) -> HttpResponse:
    """The trail, newest first, as far as the address asks for it; posted, the chain is recomputed."""
    refuse_outsider(request.actor)
    if request.method == "POST":
        return _verified(request)
    return _show(request)


def _verified(request: PageRequest) -> HttpResponse:
    try:
        report = verify_own(request.actor)
    except UnreadableRoots as problem:
        refusal = Conflict(f"The published roots cannot be read: {problem}")
        return _show(request, status=refusal.status, problem=refusal)
    except Conflict as refusal:
        return _show(request, status=refusal.status, problem=refusal)
    return _show(request, report=report)


def _show(request: PageRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    fields = given(request.GET)
    try:
        wanted = parsed(fields)
    except Invalid as problem:
        wanted, status, more = TrailFilter(), problem.status, {**more, "problem": problem}
    before = request.GET.get("before", "")
    older_than = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None
    found = search_trail(wanted, before=older_than, limit=PAGE + 1)
    query = request.GET.copy()
    query.pop("before", None)
    newest = query.urlencode()
    if len(found) > PAGE:
        query["before"] = str(found[PAGE - 1]["id"])
    context = {
        "lines": _lines(found[:PAGE]),
        "fields": {name.replace("from", "first").replace("to", "last") if name in ("from", "to") else name: value
                   for name, value in fields.items()},
        "chain": chain_state(),
        "older": query.urlencode() if len(found) > PAGE else "",
        "newest": newest if older_than else "",
        "export": newest,
        **more,
    }  # fmt: skip
    return render(request, "governance/audit.html", context, status=status)


@page
def operation(request: PageRequest, operation: UUID) -> HttpResponse:
    """Everything that one request, job or schedule set off, in the order in which it was written down."""
    refuse_outsider(request.actor)
    rows = search_trail(TrailFilter(operation=str(operation)), limit=MOST_OF_ONE)[::-1]
    if not rows:
        raise NotFound("Nothing was recorded under this operation.")
    first = rows[0]
    context = {
        "operation": operation,
        "lines": _lines(rows),
        "first": first,
        "trace": first["trace_id"],
        "calls": sum(row["kind"].startswith("gateway.call") or row["kind"] == "gateway.model.called" for row in rows),
        "whole": len(rows) < MOST_OF_ONE,
    }
    return render(request, "governance/audit_operation.html", context)


@page
def export(request: PageRequest) -> HttpResponse:
    """The same entries as a file: `?as=jsonl` or `?as=csv`."""
    form, before = request.GET.get("as", "jsonl"), request.GET.get("before", "")
    return audit_export.download(request.actor, form, given(request.GET), before)  # type: ignore[return-value]


def _lines(rows: list[dict[str, Any]]) -> list[tuple[dict[str, Any], Entry, str]]:
    """Entries with names and addresses, and their subjects in words."""
    people = parties(row["subject"] for row in rows if row["subject"].partition(":")[0] in NAMED)
    return [
        (row, entry, known.name if (known := people.get(row["subject"])) else _about(row["subject"]))
        for row, entry in zip(rows, entries(rows), strict=True)
    ]


def _about(subject: str) -> str:
    kind, _, identity = subject.partition(":")
    if kind == "budget":
        return in_words(subject)
    short = identity[:8] if len(identity) == UUID_LENGTH and identity.count("-") == 4 else identity
    return f"{re.sub('[-_]', ' ', kind)} {short}".strip()
