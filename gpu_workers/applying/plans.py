"""A plan as it is kept to be applied: exactly the texts that people read, and nothing else. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

MOST_TEXT = 200_000
"""Characters of one plan; people read all of it before they allow it."""


class Garbled(ValueError):
    """What was kept is no plan, or not the one that was made."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing of a plan that is applied as a whole: its name, its full text, and the facts that applying it heeds."""

    name: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applicable:
    """What would be applied, in order. `kind` says by what; with a reason in `why_not`, by nothing."""

    kind: str
    parts: tuple[Part, ...]
    why_not: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything that is applied."""
        said = {"kind": self.kind, "parts": [asdict(part) for part in self.parts]}
        return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan with the commit that it was made from."""

    plan: Applicable
    commit_sha: str

    def as_data(self) -> dict[str, Any]:
        """As a step of the run keeps it."""
        return {
            "kind": self.plan.kind,
            "commit_sha": self.commit_sha,
            "digest": self.plan.digest,
            "why_not": self.plan.why_not,
            "parts": [asdict(part) for part in self.plan.parts],
        }


def kept_in(response: Mapping[str, Any] | None) -> Kept | None:
    """The plan in what a step answered; None where it made none. Raises `Garbled`."""
    data = (response or {}).get("plan")
    if data is None:
        return None
    try:
        parts = tuple(Part(str(one["name"]), str(one["text"]), dict(one["facts"])) for one in data["parts"])
        found = Kept(Applicable(str(data["kind"]), parts, str(data["why_not"])), str(data["commit_sha"]))
        same = found.plan.digest == data["digest"]
    except (KeyError, TypeError, ValueError) as wrong:
        raise Garbled("The plan cannot be read.") from wrong
    if not same:
        raise Garbled("What was kept is not the plan that was made.")
    return found
