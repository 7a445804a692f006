"""What can be found: one passage each, with a reference that leads back to it; documents split by their headings. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

LONGEST = 1200
"""Characters of a passage at most; a longer section becomes several."""
ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
"""What stands beside the words is stripped off, as a pattern for that too would take the cube of a line's length."""
BLANK = " \t"
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
RULES = "=-~^\"'`#*+.:_"
RULE = re.compile(rf"([{re.escape(RULES)}])\1{{2,}}[ \t]*\Z")
"""A line that underlines a heading, in Markdown and reStructuredText."""
MARKDOWN = "=-"
"""Signs that underline a heading of any length."""
HEADING = 120


class Kind(StrEnum):
    DOCUMENT = "document"
    DECISION = "decision"
    STORY = "story"
    TASK = "task"
    COUNCIL = "council"


@dataclass(frozen=True, slots=True)
class Passage:
    """One text that can be found. `ref` leads back to it, `stands` says where it is or what has become of it."""

    kind: Kind
    ref: str
    title: str
    text: str
    stands: str = ""


Clean = Callable[[str], str]
"""Takes out of a text what nobody may read."""
Documents = Callable[[Clean], list[Passage]]
"""The documents of a workspace, each cleaned as a whole; read when they are asked for."""


@dataclass(slots=True)
class _Section:
    heading: str
    path: str
    first: int
    lines: list[str]


def split_document(path: str, text: str) -> list[Passage]:
    """The passages of a document below its headings, each with its lines (from 1); sections without words are none."""
    found: list[Passage] = []
    for section in _sections(text):
        for first, last, piece in _pieces(section):
            ref = f"{path} § {section.heading}" if section.heading else path
            lines = f"line {first}" if first == last else f"lines {first}-{last}"
            found.append(Passage(Kind.DOCUMENT, ref, section.path, piece, lines))
    return found


def _sections(text: str) -> Iterator[_Section]:
    """The sections in order; `first` is the line after the heading, `path` all headings above it."""
    above: list[tuple[int, str]] = []
    rules: list[str] = []
    current, fence = _Section("", "", 1, []), ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        marked = FENCE.match(line)
        if marked and (not fence or marked[1].startswith(fence)):
            fence = "" if fence else marked[1]
        level, heading = (0, "") if fence else _heading(line, current, rules)
        if not level:
            current.lines.append(line)
            continue
        yield current
        above = [*(one for one in above if one[0] < level), (level, heading)]
        current = _Section(heading, " > ".join(name for _, name in above), number + 1, [])
    yield current


def _heading(line: str, current: _Section, rules: list[str]) -> tuple[int, str]:
    """Level and words of the heading that `line` completes, or 0. The words of an underlined one leave `current`.

    Signs that underline have the level of their first use, which is what reStructuredText says.
    """
    marked = ATX.match(line)
    if marked and (named := marked[2].rstrip(BLANK).rstrip("#").rstrip(BLANK)):
        return len(marked[1]), named[:HEADING].rstrip(BLANK)
    above = [*current.lines[-2:-1], ""][0]
    words = current.lines[-1].strip() if current.lines else ""
    if not RULE.match(line) or not words or len(words) > HEADING or RULE.match(words) or above.strip(RULES):
        return 0, ""
    if line[0] not in MARKDOWN and len(line.rstrip()) < len(words):
        return 0, ""
    del current.lines[-2 if above.strip() else -1 :]
    if line[0] not in rules:
        rules.append(line[0])
    return rules.index(line[0]) + 1, words


def _pieces(section: _Section) -> Iterator[tuple[int, int, str]]:
    """A section in pieces of at most `LONGEST` characters, broken between paragraphs where that goes, else between lines."""
    held: list[tuple[int, str]] = []
    size = 0
    for number, line in enumerate(section.lines, section.first):
        for start in range(0, max(len(line), 1), LONGEST):
            part = line[start : start + LONGEST]
            if size + len(part) > LONGEST or (not part.strip() and size > LONGEST // 2):
                yield from _piece(held)
                held, size = [], 0
            held.append((number, part))
            size += len(part) + 1
    yield from _piece(held)


def _piece(held: list[tuple[int, str]]) -> Iterator[tuple[int, int, str]]:
    """First and last line and the words of numbered lines, without the empty ones around them; nothing without words."""
    full = [at for at, (_, line) in enumerate(held) if line.strip()]
    if full:
        inside = held[full[0] : full[-1] + 1]
        yield inside[0][0], inside[-1][0], "\n".join(line for _, line in inside)
