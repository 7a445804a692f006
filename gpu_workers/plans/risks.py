"""What makes a planned step dangerous, by level. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LEVELS = ("high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Risk:
    """`level` is one of `LEVELS`; `what` says the danger, `where` the step or the thing that it lies in."""

    level: str
    what: str
    where: str

    def __str__(self) -> str:
        return f"[{self.level}] {self.where}: {self.what}"


def sorted_risks(found: Iterable[Risk]) -> list[Risk]:
    """Each one once, the worst first."""
    return sorted(dict.fromkeys(found), key=lambda risk: (LEVELS.index(risk.level), risk.where, risk.what))


def told(risks: list[Risk]) -> list[str]:
    """The risks as lines under a heading that counts them."""
    counts = [f"{sum(risk.level == level for risk in risks)} {level}" for level in LEVELS]
    return [f"Risks: {', '.join(counts)}.", *map(str, risks)] if risks else ["Risks: none that a rule names."]
