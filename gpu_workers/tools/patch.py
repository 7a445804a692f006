"""Applying a unified diff strictly: every context and removed line must be there, or nothing is changed.

Lines end at line feeds alone, as read_file counts them. What a patch keeps stays byte for byte, whatever ends its lines and
however it is encoded; what it adds ends as the lines around it do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from gpu_workers.tools.lines import lines_of, readable_text
from gpu_workers.unified import head_of, path_in, without_side

MOST_SOUGHT = 1000
"""Hunks of a file that may have a wrong line number: each of them is sought in all of the file."""
END, NO_END = "\n", "\0"
"""What follows a line in comparisons: no text file holds the second."""
NO_NEWLINE = "\\ No newline at end of file"


class PatchError(ValueError):
    """The patch cannot be applied; the message says where and why."""


@dataclass
class _Hunk:
    """Its lines as sign, text and what follows it; `old` is what the file has to have there."""

    start: int
    lines: list[tuple[str, str, str]] = field(default_factory=list)

    @cached_property
    def old(self) -> list[str]:
        return [text + end for sign, text, end in self.lines if sign in " -"]


@dataclass
class _FilePatch:
    old: str | None
    new: str | None
    hunks: list[_Hunk] = field(default_factory=list)


def apply_unified(patch: str, read: Callable[[str], str]) -> dict[str, str | None]:
    """New content by path, None for a file that goes away. `read` gives a file's content or raises FileNotFoundError.

    Line numbers may be off where the lines themselves are found exactly once. Raises PatchError.
    """
    changed: dict[str, str | None] = {}
    for part in _parse(patch):
        path = part.new or part.old
        if path is None or not {part.old, part.new}.isdisjoint(changed):
            raise PatchError("Each file may appear once, and not as /dev/null on both sides.")
        if part.old != part.new and part.new is not None:
            _refuse_present(part.new, read)
        try:
            before = "" if part.old is None else read(part.old)
        except FileNotFoundError as problem:
            raise PatchError(f"There is no file {part.old}.") from problem
        after = _applied(path, before, part.hunks)
        if part.new is None and after:
            raise PatchError(f"The patch deletes {path} but leaves lines in it.")
        if part.old not in (None, part.new):
            changed[str(part.old)] = None
        if part.new is not None:
            changed[part.new] = after
    return changed


def _refuse_present(path: str, read: Callable[[str], str]) -> None:
    try:
        read(path)
    except FileNotFoundError:
        return
    raise PatchError(f"{path} exists already; give its present lines on the '-' side.")


def _name(line: str) -> str | None:
    name = path_in(line[4:])
    return None if name is None else without_side(name)


def _parse(patch: str) -> list[_FilePatch]:
    lines = patch.replace("\r\n", "\n").split("\n")
    files: list[_FilePatch] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ "):
            files.append(_FilePatch(_name(line), _name(lines[at + 1])))
            at += 2
        elif line.startswith("@@"):
            if not files:
                raise PatchError("A hunk needs the lines '--- a/path' and '+++ b/path' before it.")
            at = _hunk(lines, at, files[-1])
        else:
            if line.strip() and not line.startswith(
                ("diff ", "index ", "new file", "deleted file", "similarity", "rename")
            ):
                raise PatchError(f"Line {at + 1} is no part of a unified diff: {line[:80]!r}.")
            at += 1
    if not files or not all(part.hunks for part in files):
        raise PatchError("There is no hunk to apply: give a unified diff with '--- a/path', '+++ b/path', '@@ … @@'.")
    return files


def _hunk(lines: list[str], at: int, part: _FilePatch) -> int:
    """Read the hunk whose header is line `at`, by its counts; the number of the line after it."""
    head = head_of(lines[at])
    if head is None:
        raise PatchError(f"Line {at + 1} is no hunk header; write '@@ -start,count +start,count @@'.")
    hunk, left = _Hunk(head.old), head.left()
    at += 1
    while left:
        line = lines[at] if at < len(lines) else "@"
        sign, content = (line[0], line[1:]) if line else (" ", "")
        left.take(sign)
        if sign not in " +-" or left.old < 0 or left.new < 0:
            raise PatchError(f"The hunk that ends at line {at + 1} does not have as many lines as its header says.")
        at += 1
        ended = at >= len(lines) or lines[at] != NO_NEWLINE
        hunk.lines.append((sign, content, END if ended else NO_END))
        at += not ended
    part.hunks.append(hunk)
    return at


class _Text:
    """A file that hunks are sought in: its lines as they are, and as they are compared."""

    def __init__(self, path: str, before: str) -> None:
        self.path = path
        self.lines = lines_of(before)
        self.compared = [_compared(line) for line in lines_of(readable_text(before))]
        self._sought = 0

    @cached_property
    def _whole(self) -> str:
        return END + "".join(self.compared)

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate(map(len, self.compared), initial=0))

    def place(self, start: int, hunk: _Hunk, number: int) -> int:
        """The line, from `start` on, that a hunk begins at: where it says, or where alone its lines are."""
        stated = max(hunk.start - 1, 0) if hunk.old else hunk.start
        if not hunk.old:
            if start <= stated <= len(self.lines):
                return stated
            raise PatchError(f"Hunk {number} of {self.path} adds lines after line {hunk.start}, which does not exist.")
        if stated >= start and self.compared[stated : stated + len(hunk.old)] == hunk.old:
            return stated
        self._sought += 1
        if self._sought > MOST_SOUGHT:
            raise PatchError(f"More than {MOST_SOUGHT} hunks of {self.path} have a wrong line number.")
        wanted = END + "".join(hunk.old)
        found = self._whole.find(wanted, self._starts[start])
        if found >= 0 and self._whole.find(wanted, found + 1) < 0:
            return bisect_left(self._starts, found)
        reason = "is not in the file" if found < 0 else "is found more than once"
        first = hunk.old[0][:-1].rstrip()
        raise PatchError(f"Hunk {number} of {self.path}: what it removes or keeps {reason}; first line: {first!r}.")

    def ending(self, place: int) -> str:
        """How the lines around `place` end; the one before it is perhaps what an added line stands for."""
        near = (self.lines[at] for at in (place - 1, place, place - 2) if 0 <= at < len(self.lines))
        ended = next((line for line in near if line.endswith("\n")), "")
        return "\r\n" if ended.endswith("\r\n") else "\n"


def _compared(line: str) -> str:
    """A line and what follows it, whichever way it ends."""
    return line.removesuffix("\n").removesuffix("\r") + (END if line.endswith("\n") else NO_END)


def _applied(path: str, before: str, hunks: list[_Hunk]) -> str:
    text = _Text(path, before)
    done: list[str] = []
    at = 0
    for number, hunk in enumerate(hunks, 1):
        place = text.place(at, hunk, number)
        done += text.lines[at:place]
        at = place
        for sign, content, end in hunk.lines:
            if sign == "+":
                done.append(content + (text.ending(at) if end == END else ""))
            else:
                done += [text.lines[at]] if sign == " " else []
                at += 1
    done += text.lines[at:]
    if not all(line.endswith("\n") for line in done[:-1]):
        raise PatchError(f"Lines of {path} would follow one that has no line end; give that one anew, with its end.")
    return "".join(done)
