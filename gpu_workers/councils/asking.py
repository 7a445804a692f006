"""What the seats of a council are asked. Pure; everything that a story or an agent says is fenced as data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpu_workers.prompts import COUNCIL_VERSION, prompt
from workflows.councils import CRITERIA, LOWEST, TOP

CUT = " […]"
Messages = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be said: tokens per answer, characters of the story's parts and of a reason."""

    proposal: int
    critique: int
    score: int
    story: int
    reason: int


SMALL = Room(proposal=96, critique=48, score=200, story=400, reason=16)
"""For models that do not judge: short enough for eight at once in a window of 16,000 tokens.

The form with its line breaks takes some 25 tokens a criterion, and babble one for each character of its reason; an
answer that is cut off is no form at all.
"""
FULL = Room(proposal=700, critique=300, score=500, story=12_000, reason=300)
"""`score` is per proposal that is rated."""


@dataclass(frozen=True, slots=True)
class Matter:
    """What a council deliberates on. All of it is data: the story's words, its tasks, the question."""

    subject: str
    question: str
    story: Mapping[str, Any]


def propose(matter: Matter, role: str, room: Room) -> Messages:
    return _asked(matter, room, [], "council_proposal", role=role, subject=matter.subject)


def criticise(matter: Matter, role: str, room: Room, letter: str, text: str) -> Messages:
    return _asked(matter, room, [fenced(f"proposal {letter}", text)], "council_critique", role=role, about=letter)


def revise(matter: Matter, role: str, room: Room, own: str, heard: Mapping[str, str]) -> Messages:
    """`heard` are critiques by the letter of who said them."""
    said = [fenced(f"critique by {letter}", text) for letter, text in heard.items()]
    return _asked(matter, room, [fenced("your proposal", own), *said], "council_revision", role=role)


def score(matter: Matter, role: str, room: Room, texts: Mapping[str, str]) -> Messages:
    """`texts` are the other seats' proposals by letter."""
    shown = [fenced(f"proposal {letter}", text) for letter, text in texts.items()]
    return _asked(matter, room, shown, "council_score", role=role, letters=" and ".join(texts))


def again(messages: Messages, problem: str) -> Messages:
    """The same question once more, with what was wrong about the first answer."""
    said = f"Your answer could not be used: {problem}. Answer the question above again."
    return [*messages, {"role": "user", "content": said}]


def score_schema(letters: Sequence[str], room: Room) -> dict[str, Any]:
    """The only form in which scores are taken: each of `letters`, each criterion, a whole number and a reason."""
    rating = {
        "type": "object",
        "properties": {
            "score": {"type": "integer", "minimum": LOWEST, "maximum": TOP},
            "reason": {"type": "string", "minLength": 3, "maxLength": room.reason},
        },
        "required": ["score", "reason"],
        "additionalProperties": False,
    }
    of_one = _object(dict.fromkeys(CRITERIA, rating))
    return _object(dict.fromkeys(letters, of_one))


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def fenced(source: str, value: Any) -> str:
    """`value` as JSON between tags. No text can end its fence: a `<` in it is written as an escape."""
    said = json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
    return f"<data source='{source}'>\n{said}\n</data>"


def _asked(matter: Matter, room: Room, more: Sequence[str], name: str, **places: str) -> Messages:
    """Everything that is the same for all seats comes first, so that an engine reads it once."""
    about = {"question": _shortened(matter.question, room.story), **_short_story(matter.story, room.story)}
    asked = prompt(name, COUNCIL_VERSION)
    for place, value in places.items():
        asked = asked.replace("{" + place + "}", value, 1)
    return [
        {"role": "system", "content": prompt("council", COUNCIL_VERSION)},
        {"role": "user", "content": "\n".join([fenced("story", about), *more, asked])},
    ]


def _short_story(story: Mapping[str, Any], limit: int) -> dict[str, Any]:
    return {name: _shortened(value, limit) for name, value in story.items() if value}


def _shortened(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= limit else value[:limit] + CUT
    kept: list[str] = []
    left = limit
    for item in value:
        if len(item) > left:
            return [*kept, CUT.strip()]
        kept.append(item)
        left -= len(item)
    return kept
