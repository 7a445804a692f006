"""The grammar of unified diffs: the heads of hunks, the lines that follow one, and the names of files. Pure."""

import re
from dataclasses import dataclass

HEAD = re.compile(r"@@ -([0-9]+)(?:,([0-9]+))? \+([0-9]+)(?:,([0-9]+))? @@")
MOST_DIGITS = 9
"""Of a number in the head of a hunk: no file has more lines, and Python takes no number that is endless."""


@dataclass(slots=True)
class Left:
    """How many lines of the file before, and of the file after, a hunk still has by its head; below 0 where it has too many."""

    old: int
    new: int

    def __bool__(self) -> bool:
        return self.old > 0 or self.new > 0

    def take(self, sign: str) -> None:
        """Count a line by its sign; "" is a line that both files have, and whose blank somebody stripped."""
        self.old -= sign in ("-", " ", "")
        self.new -= sign in ("+", " ", "")


@dataclass(frozen=True, slots=True)
class Head:
    """Which line a hunk begins at, before and after, and how many lines it has of both."""

    old: int
    old_count: int
    new: int
    new_count: int

    def left(self) -> Left:
        return Left(self.old_count, self.new_count)


def head_of(line: str) -> Head | None:
    """What the head of a hunk says; None for every other line, and where a number has more than `MOST_DIGITS`."""
    found = HEAD.match(line)
    if found is None or max(map(len, found.groups(""))) > MOST_DIGITS:
        return None
    return Head(*map(int, found.groups("1")))


def path_in(words: str) -> str | None:
    """The path in what follows `---`, `+++` and their like, up to a tab; None for /dev/null, where there is no file."""
    name = words.split("\t")[0].strip()
    return None if name == "/dev/null" else name


def without_side(name: str) -> str:
    """A path without the a/ or b/ that says which of the two files it is."""
    return name[2:] if name.startswith(("a/", "b/")) else name
