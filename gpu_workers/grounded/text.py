"""Sentences, words and their weight."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+(?=[\"'“‘(\[]*[A-Z0-9ÀÖÄÜ`])")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|approx|no|nr|dr|mr|mrs|ms|st|cf|fig|inc|ltd)\.$", re.IGNORECASE)
_MARKER = re.compile(r"^\s*(?:[-*+•]\s+(?:\[[ xX]\]\s+)?|\d{1,3}[.)]\s+|>\s?)+")
_SKIPPED = re.compile(r"^\s*(?:\||!\[|<|\[[^\]]+\]:|\.\. |:[\w-]+:|[-=~*_^#\"]{3,}\s*$)")
_HEADING = re.compile(r"^\s{0,3}(?:#{1,6}|={2,6})\s+(.*)")
_UNDERLINE = re.compile(r"^([=\-~^\"'*+#])\1{2,}\s*$")

STOP = frozenset(
    [
        "a",
        "about",
        "add",
        "all",
        "also",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "do",
        "does",
        "each",
        "entry",
        "for",
        "from",
        "get",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "may",
        "must",
        "my",
        "need",
        "new",
        "no",
        "not",
        "of",
        "on",
        "or",
        "our",
        "page",
        "say",
        "says",
        "section",
        "shall",
        "she",
        "should",
        "so",
        "state",
        "states",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "to",
        "up",
        "us",
        "use",
        "was",
        "we",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "you",
        "your",
    ]
)


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive sentences below one heading; `heading` is empty where there is none."""

    source: str
    heading: str
    sentences: tuple[str, ...]


def plain(text: str) -> str:
    """The text with all white space as single blanks."""
    return " ".join(text.split())


def stem(word: str) -> str:
    """A word without its commonest English endings, so that 'returned', 'returns' and 'return' are one."""
    word = word.lower().removesuffix("'s").removesuffix("’s")
    for ending, kept in (("ies", "y"), ("ing", ""), ("able", ""), ("ed", ""), ("ly", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + kept
            break
    return word.removesuffix("e") if len(word) > 4 else word


def words(text: str) -> list[str]:
    """Stems of the words that carry meaning; numbers stay as they are."""
    return [stem(word) for word in _WORD.findall(text) if word.lower() not in STOP]


def split_sentences(paragraph: str) -> list[str]:
    """Sentences of one paragraph, word for word."""
    found: list[str] = []
    for part in _END.split(plain(paragraph)):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] += " " + part
        elif part:
            found.append(part)
    return found


def sections_of(text: str, source: str = "") -> list[Section]:
    """The prose of a document by heading: no code, tables, images, comments or directives."""
    sections: list[Section] = []
    heading = ""
    block: list[str] = []
    blocks: list[str] = []
    fenced = False

    def close_block() -> None:
        if block:
            blocks.append(" ".join(block))
            block.clear()

    def close_section() -> None:
        close_block()
        sentences = tuple(sentence for item in blocks for sentence in split_sentences(item))
        if sentences:
            sections.append(Section(source, heading, sentences))
        blocks.clear()

    lines = text.splitlines()
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
            close_block()
        elif fenced:
            continue
        elif found := _HEADING.match(line):
            close_section()
            heading = found[1].rstrip().rstrip("#").rstrip()
        elif line.strip() and _UNDERLINE.match(following) and len(following.strip()) >= len(line.strip()) - 2:
            close_section()
            heading = line.strip()
        elif not line.strip() or _SKIPPED.match(line):
            close_block()
        else:
            if _MARKER.match(line):
                close_block()
            block.append(_MARKER.sub("", line).strip())
    close_section()
    return sections


class Bm25:
    """Okapi BM25 over a few short texts. Robertson and Zaragoza, 2009; k1 1.2, b 0.75."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._counts = [Counter(words(text)) for text in texts]
        self._lengths = [sum(counts.values()) for counts in self._counts]
        self._mean = max(1.0, sum(self._lengths) / max(1, len(texts)))
        self._holding = Counter(word for counts in self._counts for word in counts)

    def scores(self, query: str) -> list[float]:
        """One score per text, 0.0 where no word is shared."""
        wanted = set(words(query))
        return [self._score(wanted, counts, size) for counts, size in zip(self._counts, self._lengths, strict=True)]

    def _score(self, wanted: set[str], counts: Counter[str], size: int) -> float:
        total = 0.0
        for word in wanted & counts.keys():
            rarity = math.log(1 + (len(self._counts) - self._holding[word] + 0.5) / (self._holding[word] + 0.5))
            often = counts[word] * 2.2 / (counts[word] + 1.2 * (0.25 + 0.75 * size / self._mean))
            total += rarity * often
        return total
