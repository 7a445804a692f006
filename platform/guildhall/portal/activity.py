"""Audit entries as pages show them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from guildhall.portal.registry import Party, address_of, parties


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did, with where to look at it."""

    who: Party
    sentence: str
    reason: str
    url: str
    at: datetime
    denied: bool


def entries(rows: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """The audit trail's rows (`guildhall.evidence.selectors`) with names and addresses."""
    listed = list(rows)
    known = parties(row["actor"]["ref"] for row in listed)
    return [
        Entry(
            who=_named(known[row["actor"]["ref"]], row["actor"]),
            sentence=row["sentence"],
            reason=row["reason"],
            url=address_of(row["subject"]),
            at=row["at"],
            denied=row["outcome"] == "denied",
        )
        for row in listed
    ]


def _named(party: Party, actor: Mapping[str, Any]) -> Party:
    """The name at the time; the present one may be gone with the person."""
    if actor["kind"] == "system":
        return party
    return Party(party.ref, str(actor["name"]), party.icon, party.note)
