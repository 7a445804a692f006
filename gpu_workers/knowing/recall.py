"""Finding what a tenant knows, for one actor at one place in the work: rows by the database's index of words, then one ranking.

The statements do not depend on how much there is: three counts, three sums over what the index finds, three lists of at most
`MOST_ROWS`, and two questions for stems.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from gpu_workers.knowing.passages import Clean, Kind, Passage
from gpu_workers.knowing.ranking import Found, Stock, idf, rank, terms_of
from gpu_workers.knowing.scope import Sees
from guildhall.kernel.actor import Actor
from workflows.machines import STORY, TASK
from workflows.selectors import knowing
from workflows.selectors.knowing import DECISION_TOLD, STORY_TOLD, TASK_TOLD, Place

MOST_ROWS = 40
"""Rows of each source that are ranked; the database chooses them by the same worth of each word."""
MOST_TEXT = 8_000
"""Characters of one row that are ranked."""
KINDS = frozenset(Kind)
NAMED = re.compile(r"\b(?:(?:decision|council):(\d{1,9})\b|([A-Za-z][A-Za-z0-9]{1,9}-\d+(?:\.\d+)?)(?![\w.]*\d))")

Row = Mapping[str, Any]


class NothingAsked(ValueError):
    """The question has no word to search by."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows that words find, the columns that are told, and how one becomes a passage. `named` are those asked for by name."""

    rows: Any
    columns: tuple[str, ...]
    passage: Callable[[Row], Passage]
    named: Q


def recall(
    actor: Actor, place: Place, seen: Sees, query: str, *, kinds: Collection[str] = KINDS, documents: Sequence[Passage] = (),
    clean: Clean = str,
) -> list[Found]:  # fmt: skip
    """What is known about any of the words of `query` within what is `seen` from `place`, best first; what the query names by
    its reference comes before the rest. `clean` takes out what nobody may read. Raises `NothingAsked`.
    """
    terms = terms_of(query, knowing.stems)
    if not terms:
        raise NothingAsked("There is no word to search by. Name the thing in the words that people use for it.")
    sources = _sources(actor, place, seen, kinds, NAMED.findall(query))
    size, having = 0, dict.fromkeys(terms, 0)
    for source in sources:
        size += source.rows.count()
        for term, number in knowing.frequencies(source.rows, terms).items():
            having[term] += number
    worth = {term: idf(size, number) for term, number in having.items()}
    passages = list(documents) if Kind.DOCUMENT in kinds else []
    for source in sources:
        best = knowing.best(source.rows, terms, worth, source.named, MOST_ROWS)
        passages += [_clean(source.passage(row), clean) for row in best.values(*source.columns)]
    passages = [passage for passage in passages if passage.kind in kinds]
    found = rank(terms, passages, knowing.stems, Stock(size, having))
    names = {name.lower() for pair in NAMED.findall(query) for name in pair if name}
    return sorted(found, key=lambda one: one.passage.ref.partition(":")[2].lower() not in names)


def _sources(
    actor: Actor, place: Place, seen: Sees, kinds: Collection[str], named: Sequence[tuple[str, str]]
) -> list[_Source]:
    numbers = [int(number) for number, _ in named if number]
    references = [reference.upper() for _, reference in named if reference]
    found = []
    if {Kind.DECISION, Kind.COUNCIL} & set(kinds):
        decisions = knowing.decisions_within(actor, place, seen.decided, sorted(seen.kinds))
        by_number = Q(pk__in=numbers) | Q(council__pk__in=numbers)
        found.append(_Source(decisions, DECISION_TOLD, lambda row: decision_passage(row, place), by_number))
    if Kind.STORY in kinds:
        stories = knowing.stories_within(actor, place, seen.work)
        found.append(_Source(stories, STORY_TOLD, story_passage, Q(reference__in=references)))
    if Kind.TASK in kinds:
        tasks = knowing.tasks_within(actor, place, seen.work)
        found.append(_Source(tasks, TASK_TOLD, task_passage, Q(reference__in=references)))
    return found


def _clean(passage: Passage, clean: Clean) -> Passage:
    """The passage as it may be read: cleaned before anything is cut out of it."""
    text = clean(passage.text)[:MOST_TEXT]
    return Passage(passage.kind, passage.ref, clean(passage.title), text, passage.stands)


def story_passage(row: Row) -> Passage:
    """A story in its public words."""
    text = _joined(row["brief"], _listed(row["acceptance"]), row["evidence"])
    return Passage(Kind.STORY, f"story:{row['reference']}", row["title"], text, STORY.states[row["state"]].lower())


def task_passage(row: Row) -> Passage:
    """A task: what it asks for, and what judges said last."""
    said = f"Sent back: {row['feedback']}" if row["feedback"] else ""
    text = _joined(_listed(row["acceptance"]), row["evidence"], said)
    stands = f"{TASK.states[row['state']].lower()}, for {row['role']}, of story:{row['story__reference']}"
    return Passage(Kind.TASK, f"task:{row['reference']}", row["title"], text, stands)


def decision_passage(row: Row, place: Place) -> Passage:
    """A decision with its reasons and what was decided against; one of a council as what the council came to."""
    others = [
        f"- {one.get('title', '')}: {one.get('why_not', '')}".rstrip(": ")
        for one in row["alternatives"]
        if isinstance(one, dict)
    ]
    text = _joined(row["rationale"], "\n".join(["Decided against:", *others]) if others else "")
    council = row["council__pk"]
    when = f" on {row['decided_at']:%Y-%m-%d}" if row["decided_at"] else ""
    by = (
        f"approved by {row['decided_by_name']}{when}"
        if row["verdict"] == "approved"
        else "no person has approved it yet"
    )
    here = [ref for ref in row["affects"] if ref in place.refs]
    stands = ", ".join(filter(None, [f"{row['kind']} decision", by, f"affects {' '.join(here)}" if here else ""]))
    if council is not None:
        return Passage(Kind.COUNCIL, f"council:{council}", row["title"], text, f"chosen by a council, {stands}")
    return Passage(Kind.DECISION, f"decision:{row['pk']}", row["title"], text, stands)


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _joined(*parts: str) -> str:
    return "\n".join(part.strip() for part in parts if part.strip())
