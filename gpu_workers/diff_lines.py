"""The lines of a unified diff with their numbers. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from gpu_workers.unified import head_of


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`kind` is hunk, add, del or nothing; `old` and `new` count from 1, 0 where the line is not on that side."""

    kind: str
    old: int
    new: int
    text: str


def lines_of(text: str) -> Iterator[DiffLine]:
    """The lines of one file's hunks, signs taken off."""
    old = new = 0
    for raw in text.split("\n"):
        if head := head_of(raw):
            old, new = head.old, head.new
            yield DiffLine("hunk", 0, 0, raw)
        elif raw.startswith("+"):
            yield DiffLine("add", 0, new, raw[1:])
            new += 1
        elif raw.startswith("-"):
            yield DiffLine("del", old, 0, raw[1:])
            old += 1
        elif raw.startswith(" "):
            yield DiffLine("", old, new, raw[1:])
            old, new = old + 1, new + 1
        elif raw.startswith("\\"):
            yield DiffLine("", 0, 0, raw)
