"""What a seat's answer says, or why it cannot be used. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from guildhall.kernel.texts import Unreadable, read_json
from workflows.councils import CRITERIA, LOWEST, TOP

MIN_WORDS = 4
MAX_TITLE = 80
UNTITLED = "Untitled"
MARKS = re.compile(r"^[\s#*_>\-–]*(?:title\s*:)?\s*[\"“*]*", re.IGNORECASE)
TAG = re.compile(r"</?[a-z][^>\n]*(?:>|$)", re.IGNORECASE | re.MULTILINE)
END = re.compile(r"(?<![\s*_\"”:])[\s*_\"”:]++$")
"""Looked for where a run of them begins, and nowhere in it: a model may say tens of thousands of blanks."""
SENTENCE = re.compile(r"(?<=[.!?])\s")

Scores = dict[str, dict[str, tuple[int, str]]]


class Unusable(ValueError):
    """The answer is no answer; the message says why, in words for the model."""


@dataclass(frozen=True, slots=True)
class Said:
    """A usable answer: text with its title, or scores by letter and criterion."""

    text: str
    title: str = ""
    scores: Scores = field(default_factory=dict)


def read_text(raw: str) -> Said:
    """A critique. Raises `Unusable` for one that says nothing."""
    text = raw.strip()
    if len(text.split()) < MIN_WORDS:
        raise Unusable(f"it has fewer than {MIN_WORDS} words")
    return Said(text)


def read_proposal(raw: str) -> Said:
    """A proposal or a revision: its first line, or else its first sentence, is its title. Raises `Unusable`."""
    said = read_text(raw)
    first, _, rest = said.text.partition("\n")
    title = _plain(first)
    if len(title) > MAX_TITLE or not rest.strip():
        return Said(said.text, _first(title or _plain(said.text)))
    return Said(rest.strip(), title or _first(_plain(rest)))


def read_scores(raw: str, letters: Sequence[str], limit: int) -> Said:
    """Scores of exactly `letters`. Raises `Unusable` for another form, another proposal or another range."""
    try:
        found = read_json(raw)
    except Unreadable as error:
        raise Unusable(str(error)) from None
    if not isinstance(found, dict) or set(found) != set(letters):
        raise Unusable(f"it has to rate exactly {', '.join(letters)}")
    return Said(raw, scores={letter: _ratings(letter, found[letter], limit) for letter in letters})


def _ratings(letter: str, given: object, limit: int) -> dict[str, tuple[int, str]]:
    if not isinstance(given, dict) or set(given) != set(CRITERIA):
        raise Unusable(f"{letter} has to be rated for exactly {', '.join(CRITERIA)}")
    return {name: _rating(f"{letter} {name}", given[name], limit) for name in CRITERIA}


def _rating(place: str, given: object, limit: int) -> tuple[int, str]:
    if not isinstance(given, dict) or set(given) != {"score", "reason"}:
        raise Unusable(f"{place} needs a score and a reason, and nothing else")
    points, reason = given["score"], given["reason"]
    if isinstance(points, bool) or not isinstance(points, int) or not LOWEST <= points <= TOP:
        raise Unusable(f"the score of {place} has to be a whole number from {LOWEST} to {TOP}")
    if not isinstance(reason, str) or not reason.strip():
        raise Unusable(f"{place} needs a reason")
    return points, reason.strip()[:limit]


def _plain(text: str) -> str:
    """Without the marks and tags in which small models wrap what they say."""
    return END.sub("", MARKS.sub("", TAG.sub("", text)))


def _first(text: str) -> str:
    title = SENTENCE.split(text, maxsplit=1)[0].strip()
    return (title if len(title) <= MAX_TITLE else title[: MAX_TITLE - 1].rstrip() + "…") or UNTITLED
