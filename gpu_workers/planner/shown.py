"""The backlog that a run was shown, kept as JSON, and what became of its stories since. Pure; no Django."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from gpu_workers.planner.checks import HORIZONS, ORDER, SPRINT, Backlog, BacklogStory


def kept(backlog: Backlog) -> dict[str, Any]:
    """As JSON values."""
    return {**asdict(backlog), "begun": sorted(backlog.begun)}


def restored(values: Mapping[str, Any]) -> Backlog:
    """What `kept` brought."""
    stories = tuple(BacklogStory(**{**story, "needs": tuple(story["needs"])}) for story in values["stories"])
    priorities, begun = tuple(values["priorities"]), frozenset(values["begun"])
    return Backlog(**{**values, "stories": stories, "priorities": priorities, "begun": begun})


def among(backlog: Backlog, shown: Backlog) -> Backlog:
    """Of the backlog as it is now, what was shown: stories that came later are not what the answer is about."""
    known = {story.reference for story in shown.stories}
    return replace(backlog, stories=tuple(story for story in backlog.stories if story.reference in known))


def standing(content: Mapping[str, Any], kind: str, waiting: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """An order or a roadmap without its stories that wait no more, and which those are. A sprint plan is kept whole."""
    left, gone = dict(content), list[str]()
    for name in ("stories", *HORIZONS):
        if kind != SPRINT and name in left:
            gone += [entry["story"] for entry in left[name] if entry["story"] not in waiting]
            left[name] = [entry for entry in left[name] if entry["story"] in waiting]
    return left, gone


def overwritten(now: Backlog, shown: Backlog) -> list[str]:
    """What people gave another priority or place since, in words: an order that is older than that would undo it."""
    if now.kind != ORDER:
        return []
    before = {story.reference: story for story in shown.stories}
    said = []
    for story in now.stories:
        was = before[story.reference]
        if story.priority != was.priority:
            said.append(
                f"The priority of {story.reference} was {was.priority or 'open'}, now {story.priority or 'open'}."
            )
        if story.epic_key != was.epic_key:
            said.append(f"{story.reference} is in another epic.")
    if not said and _placed(now.stories) != _placed(before[story.reference] for story in now.stories):
        said.append("The stories of an epic were put in another order.")
    return said


def _placed(stories: Iterable[BacklogStory]) -> list[str]:
    """References epic by epic in their order; those of equal places in the order that they come in."""
    return [story.reference for story in sorted(stories, key=lambda one: (one.epic_key, one.place)) if story.epic_key]
