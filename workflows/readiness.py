"""Definition of Ready: 0 to 100 points over eight items, each saying what is missing (spec W4). No Django here."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

SIZES = ("XS", "S", "M", "L", "XL")
PRIORITIES = ("low", "normal", "high", "urgent")
BRIEF_MIN_WORDS = 8
_GIVEN_WHEN_THEN = re.compile(r"\bgiven\b.+\bwhen\b.+\bthen\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What of a story its readiness is judged by; None and "" mean not stated yet.

    `dependencies` are references or, stated to be none, empty; likewise `risk_labels`. `budget_usd` is in US dollars.
    """

    title: str
    brief: str
    acceptance: Sequence[str]
    size: str
    priority: str
    dependencies: Sequence[str] | None
    risk_labels: Sequence[str] | None
    budget_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist: `earned` of `points`, and what is `missing` in words ("" when complete)."""

    name: str
    points: int
    earned: int
    missing: str

    def as_dict(self) -> dict[str, str | int]:
        """For storing and showing."""
        return asdict(self)


def _title(story: Readiness) -> str:
    return "" if len(story.title.split()) >= 2 else "Give it a title of at least two words."


def _brief(story: Readiness) -> str:
    words = len(story.brief.split())
    return "" if words >= BRIEF_MIN_WORDS else f"Describe it in at least {BRIEF_MIN_WORDS} words; this has {words}."


def _size(story: Readiness) -> str:
    return "" if story.size in SIZES else f"Estimate its size: {', '.join(SIZES)}."


def _dependencies(story: Readiness) -> str:
    return "" if story.dependencies is not None else "Name the stories it depends on, or say that there are none."


def _priority(story: Readiness) -> str:
    return "" if story.priority in PRIORITIES else f"Set its priority: {', '.join(PRIORITIES)}."


def _risk(story: Readiness) -> str:
    return "" if story.risk_labels is not None else "Label its risks, or say that there are none."


def _budget(story: Readiness) -> str:
    return "" if story.budget_usd is not None and story.budget_usd > 0 else "Set a budget above 0 USD."


_SIMPLE: tuple[tuple[str, int, Callable[[Readiness], str]], ...] = (
    ("title", 10, _title),
    ("brief", 15, _brief),
    ("size", 10, _size),
    ("dependencies", 10, _dependencies),
    ("priority", 10, _priority),
    ("risk labels", 10, _risk),
    ("budget", 10, _budget),
)
ACCEPTANCE_POINTS = 25


def is_given_when_then(criterion: str) -> bool:
    """Whether a criterion says given, when and then, in this order."""
    return _GIVEN_WHEN_THEN.search(criterion) is not None


def checklist(story: Readiness) -> list[Item]:
    """All items in the order they are shown. A criterion in another form earns its share of nothing."""
    items = [_item(name, points, ask(story)) for name, points, ask in _SIMPLE]
    items.insert(2, _acceptance(story.acceptance))
    return items


def score(items: Sequence[Item]) -> int:
    """Points earned, 0 to 100."""
    return sum(item.earned for item in items)


def _item(name: str, points: int, missing: str) -> Item:
    return Item(name, points, 0 if missing else points, missing)


def _acceptance(criteria: Sequence[str]) -> Item:
    name = "acceptance criteria"
    if not criteria:
        return Item(name, ACCEPTANCE_POINTS, 0, "Add at least one criterion: given …, when …, then …")
    unclear = [number for number, text in enumerate(criteria, 1) if not is_given_when_then(text)]
    earned = ACCEPTANCE_POINTS * (len(criteria) - len(unclear)) // len(criteria)
    listed = ", ".join(str(number) for number in unclear)
    return Item(name, ACCEPTANCE_POINTS, earned, f"Write as given …, when …, then …: {listed}." if unclear else "")
