"""Audit entries as pages show them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from guildhall.portal.registry import Party, address_of, parties

_REFERENCE = re.compile(
    r"\b(agent|approval|budget|change|ci|council|epic|policy_draft|project|run|sprint|story|strategy|task|tenant)"
    r"((?::(?:[\w*-]|\.(?=\w))*)+)"
)
_BARE = ("story", "task", "project")


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
            sentence=in_words(row["sentence"]),
            reason=in_words(row["reason"]),
            url=address_of(row["subject"]),
            at=row["at"],
            denied=row["outcome"] == "denied",
        )
        for row in listed
    ]


def in_words(sentence: str) -> str:
    """A sentence of the audit trail with what it refers to as people call it: `run 2` for `run:2`."""
    return _REFERENCE.sub(lambda found: _called(found[1], found[2][1:]), sentence)


def _called(kind: str, identity: str) -> str:
    if kind == "budget":
        scope, _, rest = identity.partition(":")
        whose = rest.rpartition(":")[0]
        if scope == "tenant":
            return "the organisation"
        return f"each {scope.replace('_', ' ')}" if whose in ("", "*") else _called(scope, whose)
    if kind == "agent":
        return identity.replace("-", " ").title()
    return identity if kind in _BARE else f"{kind.replace('_', ' ')} {identity}".strip()


def _named(party: Party, actor: Mapping[str, Any]) -> Party:
    """The name at the time; the present one may be gone with the person."""
    if actor["kind"] == "system":
        return party
    return Party(party.ref, str(actor["name"]), party.icon, party.note)
