"""What an address asks of the audit trail."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from guildhall.evidence.selectors import TrailFilter
from guildhall.kernel.errors import Invalid

FIELDS = {"text": 200, "actor": 80, "kind": 80, "subject": 120, "operation": 36, "outcome": 8, "from": 10, "to": 10}
"""What can be asked for, and how long each may be."""


def given(query: Any) -> dict[str, str]:
    """The fields that are set, cut and without what no column holds."""
    found = {name: query.get(name, "").strip().replace("\x00", "")[:longest] for name, longest in FIELDS.items()}
    return {name: value for name, value in found.items() if value}


def parsed(fields: dict[str, str]) -> TrailFilter:
    """The filter that the fields say; days are UTC, both counted. Raises `Invalid` naming the fields."""
    problems: dict[str, list[str]] = {}
    first, last = (_day(fields, name, problems) for name in ("from", "to"))
    operation = fields.get("operation", "")
    if operation and not _is_uuid(operation):
        problems["operation"] = ["An operation is named by its id, such as the one on a refusal’s page."]
    if fields.get("outcome", "done") not in ("done", "denied"):
        problems["outcome"] = ["Choose done or denied."]
    if first and last and last < first:
        problems["to"] = ["This day is before the first."]
    if problems:
        raise Invalid("The audit trail cannot be searched like this.", fields=problems)
    return TrailFilter(
        operation=operation,
        since=_midnight(first) if first else None,
        until=_midnight(last + timedelta(days=1)) if last else None,
        text=fields.get("text", ""),
        actor=fields.get("actor", ""),
        kind=fields.get("kind", ""),
        subject=fields.get("subject", ""),
        outcome=fields.get("outcome", ""),
    )


def _day(fields: dict[str, str], name: str, problems: dict[str, list[str]]) -> date | None:
    text = fields.get(name, "")
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        problems[name] = ["Give a day such as 2026-11-21."]
        return None
    return min(day, date(9999, 12, 30))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
