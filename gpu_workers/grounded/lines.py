"""The lines of a document and how they end: what is added to it ends as its neighbours do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Line = tuple[str, str | None]
"""A line and its end: "" for the last one of a document that ends without, None for one that is added."""


def bare_lines(text: str) -> list[str]:
    """Lines without their ends, by line feeds alone: where an entry was found is where one is written."""
    return text.replace("\r\n", "\n").split("\n")


def ended_lines(text: str) -> list[Line]:
    """The same lines with their ends: `joined`, they are the text."""
    ends = ["\r\n" if line.endswith("\r") else "\n" for line in text.split("\n")[:-1]]
    return list(zip(bare_lines(text), [*ends, ""], strict=True))


def added(lines: Iterable[str]) -> list[Line]:
    return [(line, None) for line in lines]


def joined(lines: Sequence[Line]) -> str:
    """A line without an end gets that of the line above, the first ones that of the line below."""
    ending = next((end for _, end in lines if end), "\n")
    parts: list[str] = []
    for number, (line, end) in enumerate(lines, 1):
        ending = end or ending
        parts += [line, "" if end == "" and number == len(lines) else ending]
    return "".join(parts)


def take_blank(lines: list[Line], end: int) -> Line:
    """Take the blank lines off one end of `lines` (0 or -1): the one beside what is left, or a new one if there is none."""
    taken: Line = ("", None)
    while lines and not lines[end][0].strip():
        taken = lines.pop(end)
    return taken
