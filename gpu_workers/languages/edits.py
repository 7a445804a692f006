"""What a language server answers, read as what it is: places and edits that somebody else's files shaped. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = "/workspace/"
MOST = 5000


class EditError(ValueError):
    """The answer cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A range of a file. `path` is relative to the workspace, "" where the file is outside; lines begin at 1."""

    path: str
    line: int


@dataclass(frozen=True, slots=True)
class _Edit:
    start: tuple[int, int]
    end: tuple[int, int]
    text: str


def places(found: Any) -> list[Place]:
    """The places that an answer about a definition or references names, each line once, in order."""
    items = [] if found is None else found if isinstance(found, list) else [found]
    try:
        listed = [Place(path_of(item.get("uri") or item["targetUri"]), _start(item)[0] + 1) for item in items[:MOST]]
    except (AttributeError, KeyError, TypeError, ValueError) as garbled:
        raise EditError("The answer names no places.") from garbled
    return sorted(set(listed), key=lambda place: (place.path, place.line))


def _start(item: dict[str, Any]) -> tuple[int, int]:
    spot = (item.get("range") or item["targetSelectionRange"])["start"]
    return int(spot["line"]), int(spot["character"])


def path_of(uri: str) -> str:
    """Where a file of the workspace is, relative to it; "" for any other. The path itself is still to be judged."""
    parts = urlsplit(uri)
    path = unquote(parts.path)
    inside = parts.scheme == "file" and not parts.netloc and path.startswith(ROOT)
    return path.removeprefix(ROOT) if inside else ""


def edits_by_path(found: Any) -> dict[str, list[_Edit]]:
    """The edits of each file that an answer about renaming asks for. Raises EditError for all that is no edit of text."""
    try:
        changes = [(uri, edits) for uri, edits in (found.get("changes") or {}).items()]
        for change in found.get("documentChanges") or []:
            if "kind" in change:
                raise EditError(f"It would {change['kind']} a file; only text is changed.")
            changes.append((change["textDocument"]["uri"], change["edits"]))
        by_path: dict[str, list[_Edit]] = {}
        for uri, edits in changes:
            by_path.setdefault(path_of(uri), []).extend(_edit(edit) for edit in edits)
    except (AttributeError, KeyError, TypeError, ValueError) as garbled:
        raise garbled if isinstance(garbled, EditError) else EditError("The answer is no change.") from garbled
    if sum(map(len, by_path.values())) > MOST:
        raise EditError(f"It would change more than {MOST} places.")
    return by_path


def _edit(edit: dict[str, Any]) -> _Edit:
    start, end = edit["range"]["start"], edit["range"]["end"]
    return _Edit(
        (int(start["line"]), int(start["character"])), (int(end["line"]), int(end["character"])), str(edit["newText"])
    )


def edited(text: str, edits: Iterable[Any]) -> str:
    """`text` with the edits of one file applied at once. Raises EditError where they overlap or leave the text."""
    if "\r" in text.replace("\r\n", ""):
        raise EditError("A file has line ends of another kind, at which lines cannot be counted.")
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    spans = sorted((_offset(text, starts, edit.start), _offset(text, starts, edit.end), edit.text) for edit in edits)
    done, at = [], 0
    for start, end, new in spans:
        if start < at or end < start:
            raise EditError("Two edits are about the same place.")
        done += [text[at:start], new]
        at = end
    return "".join([*done, text[at:]])


def _offset(text: str, starts: list[int], position: tuple[int, int]) -> int:
    line, column = position
    if not 0 <= line < len(starts) - 1:
        raise EditError("An edit is behind the end of the file.")
    content = text[starts[line] : starts[line + 1] - 1]
    units = 0
    for number, character in enumerate(content):
        if units >= column:
            return starts[line] + number
        units += 2 if ord(character) > 0xFFFF else 1
    if units < column:
        raise EditError("An edit is behind the end of its line.")
    return starts[line] + len(content)


def utf16_column(line: str, at: int) -> int:
    """The column, in UTF-16 units, of the character `at` of a line."""
    return len(line[:at].encode("utf-16-le")) // 2
