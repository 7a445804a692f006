"""Applying a unified diff strictly: every context and removed line must be there, or nothing is changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
NO_NEWLINE = "\\ No newline at end of file"


class PatchError(ValueError):
    """The patch cannot be applied; the message says where and why."""


@dataclass
class _Hunk:
    start: int
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)


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
        if path is None or path in changed:
            raise PatchError("Each file may appear once, and not as /dev/null on both sides.")
        if part.old is None:
            before = _absent(path, read)
        else:
            try:
                before = read(part.old)
            except FileNotFoundError as problem:
                raise PatchError(f"There is no file {part.old}.") from problem
        after = _applied(path, before, part.hunks)
        if part.new is None:
            if after:
                raise PatchError(f"The patch deletes {path} but leaves lines in it.")
            changed[path] = None
        else:
            changed[part.new] = after
            if part.old not in (None, part.new):
                changed[str(part.old)] = None
    return changed


def _absent(path: str, read: Callable[[str], str]) -> str:
    try:
        read(path)
    except FileNotFoundError:
        return ""
    raise PatchError(f"{path} exists already; give its present lines on the '-' side.")


def _name(line: str) -> str | None:
    name = line[4:].split("\t")[0].strip()
    if name == "/dev/null":
        return None
    return name[2:] if name.startswith(("a/", "b/")) else name


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
    header = HUNK.match(lines[at])
    if header is None:
        raise PatchError(f"Line {at + 1} is no hunk header; write '@@ -start,count +start,count @@'.")
    old_left, new_left = int(header[2] or 1), int(header[4] or 1)
    hunk = _Hunk(int(header[1]))
    at += 1
    while old_left > 0 or new_left > 0:
        line = lines[at] if at < len(lines) else "@"
        sign, content = (line[0], line[1:]) if line else (" ", "")
        if sign not in " +-" or (sign in " -" and not old_left) or (sign in " +" and not new_left):
            raise PatchError(f"The hunk that ends at line {at + 1} does not have as many lines as its header says.")
        if sign in " -":
            hunk.old.append(content + "\n")
            old_left -= 1
        if sign in " +":
            hunk.new.append(content + "\n")
            new_left -= 1
        at += 1
        if at < len(lines) and lines[at] == NO_NEWLINE:
            for side, mine in ((hunk.old, sign in " -"), (hunk.new, sign in " +")):
                if mine:
                    side[-1] = side[-1].removesuffix("\n")
            at += 1
    part.hunks.append(hunk)
    return at


def _applied(path: str, before: str, hunks: list[_Hunk]) -> str:
    lines = before.splitlines(keepends=True)
    done: list[str] = []
    at = 0
    for number, hunk in enumerate(hunks, 1):
        place = _place(path, lines, at, hunk, number)
        done += lines[at:place] + hunk.new
        at = place + len(hunk.old)
    return "".join(done + lines[at:])


def _place(path: str, lines: list[str], start: int, hunk: _Hunk, number: int) -> int:
    stated = max(hunk.start - 1, 0) if hunk.old else hunk.start
    if not hunk.old:
        if start <= stated <= len(lines):
            return stated
        raise PatchError(f"Hunk {number} of {path} adds lines after line {hunk.start}, which does not exist.")
    size = len(hunk.old)
    if stated >= start and lines[stated : stated + size] == hunk.old:
        return stated
    found = [place for place in range(start, len(lines) - size + 1) if lines[place : place + size] == hunk.old]
    if len(found) == 1:
        return found[0]
    reason = "is found more than once" if found else "is not in the file"
    raise PatchError(
        f"Hunk {number} of {path}: what it removes or keeps {reason}; first line: {hunk.old[0].rstrip()!r}."
    )
