"""What the seats of a council are asked. Pure; everything that a story or an agent says is fenced as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gpu_workers.prompts import COUNCIL_VERSION, prompt
from guildhall.kernel.fencing import fenced
from workflows.councils import CRITERIA, LOWEST, TOP

Messages = list[dict[str, Any]]
FRAME = 500
"""Tokens of what every question has beside the story and the seats' words."""
BYTES_PER_TOKEN = 3
"""Fewer than the gateway takes, so that what is built to fit also fits where text is quoted."""
LEAST_SHOWN = 100
"""Characters of each part of a story that are told however small a window is."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be said: tokens per answer, characters of the story's parts and of a reason.

    `told` is how many bytes of a question the story may take in all; None where nothing limits it.
    """

    proposal: int
    critique: int
    score: int
    story: int
    reason: int
    told: int | None = None

    def within(self, window: int, seats: int) -> "Room":
        """As much of this as fits a window of so many tokens, with what `seats` seats say to each other.

        Their words may take five eighths of it, and the story has what they leave.
        """
        others = seats - 1
        words = max(others * (self.proposal + self.score), 2 * self.proposal + others * self.critique)
        share = min(1.0, window * 5 / 8 / words)
        return replace(
            self,
            proposal=int(self.proposal * share),
            critique=int(self.critique * share),
            score=int(self.score * share),
            reason=int(self.reason * share),
            told=max(window - int(words * share) - FRAME, 0) * BYTES_PER_TOKEN,
        )


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


def _asked(matter: Matter, room: Room, more: Sequence[str], name: str, **places: str) -> Messages:
    """Everything that is the same for all seats comes first, so that an engine reads it once."""
    asked = prompt(name, COUNCIL_VERSION)
    for place, value in places.items():
        asked = asked.replace("{" + place + "}", value, 1)
    return [
        {"role": "system", "content": prompt("council", COUNCIL_VERSION)},
        {"role": "user", "content": "\n".join([_told(matter, room), *more, asked])},
    ]


def _told(matter: Matter, room: Room) -> str:
    """The question and the story, each part cut to what there is room for; where it is cut, it says how much is left out."""
    parts = {"question": matter.question, **matter.story}
    limit = room.story
    while True:
        told = fenced("story", {name: _shortened(value, limit) for name, value in parts.items() if value})
        if room.told is None or limit <= LEAST_SHOWN or len(told.encode()) <= room.told:
            return told
        limit = limit * 3 // 4


def _shortened(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= limit else f"{value[:limit]} [… {len(value) - limit} characters left out]"
    kept: list[str] = []
    left = limit
    for item in value:
        if len(item) > left:
            kept = kept or [_shortened(item, limit)]
            lost = len(value) - len(kept)
            return [*kept, f"[… {lost} of {len(value)} left out]"] if lost else kept
        kept.append(item)
        left -= len(item)
    return kept
