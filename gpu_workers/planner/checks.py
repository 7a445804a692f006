"""What a PM agent may answer, and the program's check of it: form, capacity, dependencies. Pure; no Django."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ORDER, SPRINT, ROADMAP = "order", "sprint", "roadmap"
HORIZONS = ("now", "next", "later")
BOUNDED = ("now", "next")
"""Horizons that hold no more points than the capacity."""
TEXT = {"type": "string", "minLength": 10, "maxLength": 600}
REASON = {"type": "string", "minLength": 5, "maxLength": 300}


@dataclass(frozen=True, slots=True)
class BacklogStory:
    """A story that waits. `needs` are references of stories that it needs and that are not done; `points` 0 is no size.

    `epic_key` names its epic and `place` its rank there; `ready` says that it may enter a sprint.
    """

    reference: str
    title: str
    points: int
    priority: str
    needs: tuple[str, ...] = ()
    state: str = ""
    size: str = ""
    epic: str = ""
    score: int = 0
    epic_key: int = 0
    place: int = 0
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a PM agent is shown. `begun` are stories in a sprint; `capacity` in points, None where none is stated.

    `left_out` counts stories beyond those that are shown.
    """

    project: str
    kind: str
    stories: tuple[BacklogStory, ...]
    priorities: tuple[str, ...]
    begun: frozenset[str] = frozenset()
    capacity: int | None = None
    sprint: str = ""
    left_out: int = 0

    def story(self, reference: str) -> BacklogStory | None:
        return next((story for story in self.stories if story.reference == reference), None)

    def choosable(self) -> list[str]:
        """References that an answer may name."""
        return [story.reference for story in self.stories if story.ready or self.kind != SPRINT]


def answer_schema(backlog: Backlog) -> dict[str, Any]:
    """The form of the answer; only stories of this backlog can be named."""
    names = {"type": "string", "enum": backlog.choosable()}
    entry = _object({"story": names, "reason": REASON})
    listed = {"type": "array", "items": entry, "minItems": 1, "maxItems": max(1, len(backlog.choosable()))}
    if backlog.kind == ORDER:
        ranked = _object({"story": names, "priority": {"enum": list(backlog.priorities)}, "reason": REASON})
        return _object({"summary": TEXT, "stories": {**listed, "items": ranked}})
    if backlog.kind == SPRINT:
        return _object({"goal": TEXT, "stories": listed})
    return _object({"summary": TEXT, **{name: {**listed, "minItems": 0} for name in HORIZONS}})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def problems(answer: Mapping[str, Any], backlog: Backlog) -> list[str]:
    """What is wrong with an answer of the right form, in words; nothing when it can be put to a person."""
    return {ORDER: _order, SPRINT: _sprint, ROADMAP: _roadmap}[backlog.kind](answer, backlog)


def _order(answer: Mapping[str, Any], backlog: Backlog) -> list[str]:
    named = [entry["story"] for entry in answer["stories"]]
    return [*_each_once(named, backlog), *_before(named, backlog)]


def _sprint(answer: Mapping[str, Any], backlog: Backlog) -> list[str]:
    named = [entry["story"] for entry in answer["stories"]]
    found = _twice(named)
    earlier = set(backlog.begun)
    for reference in named:
        story = backlog.story(reference)
        if story is None or not story.ready:
            found.append(f"{reference} cannot enter a sprint now.")
            continue
        if not story.points:
            found.append(f"{reference} has no size, so nobody knows whether it fits.")
        lacking = [need for need in story.needs if need not in earlier]
        if lacking:
            found.append(f"{reference} needs {', '.join(lacking)}, which is not done and does not come before it.")
        earlier.add(reference)
    if backlog.capacity is None:
        return [*found, "The sprint states no capacity."]
    return [*found, *_too_much(named, backlog, backlog.capacity, backlog.sprint)]


def _roadmap(answer: Mapping[str, Any], backlog: Backlog) -> list[str]:
    places = {entry["story"]: rank for rank, name in enumerate(HORIZONS) for entry in answer[name]}
    found = _each_once([entry["story"] for name in HORIZONS for entry in answer[name]], backlog)
    for reference, place in places.items():
        story = backlog.story(reference)
        for need in story.needs if story else ():
            if places.get(need, -1) > place:
                found.append(f"{reference} is {HORIZONS[place]}, and {need}, which it needs, {HORIZONS[places[need]]}.")
    for name in BOUNDED if backlog.capacity is not None else ():
        assert backlog.capacity is not None
        found += _too_much([entry["story"] for entry in answer[name]], backlog, backlog.capacity, name)
    return found


def _each_once(named: Sequence[str], backlog: Backlog) -> list[str]:
    lacking = [story.reference for story in backlog.stories if story.reference not in named]
    strange = sorted({name for name in named if backlog.story(name) is None})
    said = [("Missing", lacking), ("Not in the backlog", strange)]
    return [*_twice(named), *(f"{word}: {', '.join(refs)}." for word, refs in said if refs)]


def _twice(named: Sequence[str]) -> list[str]:
    more = sorted({name for name in named if named.count(name) > 1})
    return [f"Named more than once: {', '.join(more)}."] if more else []


def _before(named: Sequence[str], backlog: Backlog) -> list[str]:
    places = {name: place for place, name in enumerate(named)}
    return [
        f"{story.reference} comes before {need}, which it needs."
        for story in backlog.stories
        for need in story.needs
        if story.reference in places and need in places and places[story.reference] < places[need]
    ]


def _too_much(named: Iterable[str], backlog: Backlog, capacity: int, where: str) -> list[str]:
    points = sum(story.points for name in named if (story := backlog.story(name)) is not None)
    return [f"{where or 'It'} holds {capacity} points; these are {points}."] if points > capacity else []
