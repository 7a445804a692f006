"""Writing one more entry into a document so that it looks like its neighbours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gpu_workers.grounded.lines import Line, added, bare_lines, ended_lines, joined, take_blank
from gpu_workers.grounded.styles import HR, LONGEST_LINE, STYLES, Found, Style, all_headings, visible
from gpu_workers.grounded.text import words

_TAIL = re.compile(r"^\s*(?:\[[^\]]+\]:\s|<!--|\.\. _|:[\w-]+:)")
_CONTENTS = re.compile(r"^(table of )?contents?$|^toc$|^index$|^on this page$|^questions$", re.IGNORECASE)
_APART = re.compile(
    r"see also|contact|licen[cs]e|credits|further reading|references|links|still|feedback|more help", re.IGNORECASE
)
_NUMBER = re.compile(r"^(\d+)([.)]\s+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """What to write: sentences word for word, and a heading."""

    heading: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """The style of a document's entries, and the entries themselves in order. None where there are none."""

    style: Style
    entries: tuple[Found, ...]

    @property
    def question(self) -> bool:
        asking = sum(entry.heading.rstrip("*_ ").endswith("?") for entry in self.entries)
        return self.style.question or 2 * asking >= len(self.entries)


def shape_of(text: str) -> Shape | None:
    """How the document marks its entries: the style with most of them."""
    lines = visible(bare_lines(text))
    best: Shape | None = None
    for style in STYLES:
        found = [entry for entry in style.find(lines) if not _CONTENTS.match(entry.heading.strip(":*_ "))]
        if found and (best is None or _weight(style, found) > _weight(best.style, best.entries)):
            best = Shape(style, tuple(found))
    return best


def _weight(style: Style, found: Sequence[Found]) -> float:
    """Lists and tables are also found inside entries, so that headings win unless there are few of them."""
    asking = sum(entry.heading.rstrip("*_ ").endswith("?") for entry in found)
    return (len(found) + asking) * (0.6 if style.name in ("items", "rows", "definitions", "bold") else 1.0)


def insert_entry(text: str, entry: Entry, *, path: str) -> str:
    """The document with the entry in it, at its place and in its style, listed in the contents where there are any.

    What is there stays byte for byte, but for blank lines too many around the entry.
    """
    shape = shape_of(text)
    lines, kept = bare_lines(text), ended_lines(text)
    while lines and not lines[-1].strip():
        lines.pop()
    if shape is None:
        return joined([*kept[: len(lines)], *added(_appended(lines, entry, path))])
    entry = _numbered(entry, shape)
    written = _written(lines, entry, shape)
    after = _predecessor(entry, shape, lines)
    at = _end(lines, after, shape)
    before, rest = kept[:at], kept[at:]
    block = added([*(["---", ""] if _ruled(lines, shape) else []), *written])
    if not shape.style.tight:
        above, below = take_blank(before, -1), take_blank(rest, 0)
        block = [above, *block, *([below] if rest else [])]
    return joined(_listed([*before, *block, *rest], entry, shape, after))


def _appended(lines: list[str], entry: Entry, path: str) -> list[str]:
    """Without neighbours: a heading one below the title, in the format of the file's name."""
    text = " ".join(entry.sentences)
    if path.endswith(".rst"):
        written = [entry.heading, "-" * max(3, len(entry.heading)), "", text]
    elif path.endswith(".txt"):
        written = [entry.heading, "", text]
    else:
        mark = "=" if path.endswith(".adoc") else "#"
        written = [f"{mark * (2 if lines else 1)} {entry.heading}", "", text]
    return [*([""] if lines else []), *written]


def _numbered(entry: Entry, shape: Shape) -> Entry:
    numbers = [found for one in shape.entries if (found := _NUMBER.match(one.heading))]
    if 2 * len(numbers) <= len(shape.entries):
        return entry
    return Entry(f"{max(int(found[1]) for found in numbers) + 1}{numbers[-1][2]}{entry.heading}", entry.sentences)


def _sorted(shape: Shape) -> bool:
    names = [entry.heading.casefold() for entry in shape.entries]
    return len(names) >= 3 and names == sorted(names) and not shape.question


def _predecessor(entry: Entry, shape: Shape, lines: list[str]) -> Found:
    """The entry to write after: by the alphabet where there is one, else the last of the group that fits best."""
    if _sorted(shape):
        before = [one for one in shape.entries if one.heading.casefold() < entry.heading.casefold()]
        return before[-1] if before else Found(-1, -1, "")
    entries = list(shape.entries)
    if shape.question and not shape.style.question:
        entries = [one for one in entries if one.heading.rstrip("*_ ").endswith("?")] or entries
    while len(entries) > 1 and _APART.search(entries[-1].heading) and not entries[-1].heading.endswith("?"):
        entries.pop()
    groups = _groups(entries, shape, lines)
    wanted = set(words(entry.heading))
    names = [" ".join([name, *(one.heading for one in entries)]) for name, entries in groups]
    fit = [len(wanted & set(words(name))) for name in names]
    best = max(range(len(groups)), key=lambda number: (fit[number], number))
    return groups[best][1][-1]


def _groups(entries: list[Found], shape: Shape, lines: list[str]) -> list[tuple[str, list[Found]]]:
    """Entries by the heading above them."""
    own = {one.line for one in shape.entries}
    rank = shape.entries[0].rank
    above = [
        heading
        for heading in all_headings(visible(lines))
        if heading.line not in own and (shape.style.name not in ("hash", "equals", "underlined") or heading.rank < rank)
    ]
    groups: list[tuple[str, list[Found]]] = []
    last = None
    for one in entries:
        parent = max(
            (heading for heading in above if heading.line < one.line), key=lambda found: found.line, default=None
        )
        if not groups or parent is not last:
            groups.append((parent.heading if parent else "", []))
            last = parent
        groups[-1][1].append(one)
    return groups


def _end(lines: list[str], after: Found, shape: Shape) -> int:
    """The line after an entry: the next entry or heading, a rule, or a list of contents, links or comments."""
    if after.line < 0:
        return shape.entries[0].line
    if shape.style.tight:
        return after.line + 1 + _continued(lines, after.line + 1)
    shown = visible(lines)
    starts = {one.line for one in shape.entries} | {one.line for one in all_headings(shown)}
    ruled = _ruled(lines, shape)
    at = after.line + 1
    if shape.style.name == "underlined":
        at += 1
    while at < len(lines):
        underline = shape.style.name == "underlined" and at == after.line + 1
        if not underline and (at in starts or HR.match(lines[at]) or _starts_contents(shown, at, shape)):
            break
        if shape.style.name == "definitions" and not lines[at].strip():
            break
        if _TAIL.match(lines[at]) and not any(line.strip() and not _TAIL.match(line) for line in lines[at:]):
            break
        if shape.style.name == "details" and lines[at].strip() == "</details>":
            return at + 1
        at += 1
    return _back(lines, at, ruled)


def _continued(lines: list[str], at: int) -> int:
    """How many lines from `at` on belong to the item above."""
    size = 0
    while at + size < len(lines) and re.match(r"^\s{2,}\S", lines[at + size]):
        size += 1
    return size


def _back(lines: list[str], at: int, ruled: bool) -> int:
    while at > 0 and not lines[at - 1].strip():
        at -= 1
    return at


def _ruled(lines: list[str], shape: Shape) -> bool:
    """Whether a rule stands between each two entries."""
    pairs = list(zip(shape.entries, shape.entries[1:], strict=False))
    return bool(pairs) and all(
        any(HR.match(line) for line in lines[one.body + 1 : two.line] if line.strip()) for one, two in pairs
    )


def _starts_contents(lines: list[str], at: int, shape: Shape) -> bool:
    """Whether a list of the document's own entries, or a line that announces one, starts here."""
    block = [line for line in lines[at : at + 4] if line.strip()]
    return bool(block) and _lists(block[0], shape) is not None and (at == 0 or _lists(lines[at - 1], shape) is None)


def _lists(line: str, shape: Shape) -> Found | None:
    """The entry that a line of a contents list stands for."""
    if len(line) > LONGEST_LINE:
        return None
    item = re.match(r"^\s*(?:[-*+]|\d+[.)])\s+(?:\[(.+?)\]\(#[^)]*\)|(.+?))\s*$", line)
    if item is None:
        return None
    name = (item[1] or item[2]).strip()
    return next((one for one in shape.entries if name in (one.heading, _NUMBER.sub("", one.heading))), None)


def _listed(lines: list[Line], entry: Entry, shape: Shape, after: Found) -> list[Line]:
    """Add the entry to the list of contents: after its predecessor there."""
    own = {one.line for one in shape.entries}
    items = [(at, one) for at, (line, _) in enumerate(lines) if at not in own and (one := _lists(line, shape))]
    if not items or (len(items) < 2 and len(shape.entries) > 2):
        return lines
    at = next((place for place, one in items if one.heading == after.heading), items[-1][0])
    model, _ = lines[at]
    lead = re.match(r"^(\s*)([-*+]|(\d+)([.)]))(\s+)", model)
    if lead is None:
        return lines
    linked = "](#" in model
    name = entry.heading if _NUMBER.match(entry.heading) is None or "[" in model else _NUMBER.sub("", entry.heading)
    mark = f"{int(lead[3]) + 1}{lead[4]}" if lead[3] else lead[2]
    item = f"{lead[1]}{mark}{lead[5]}" + (f"[{name}](#{slug(entry.heading)})" if linked else name)
    rest = (
        [
            (_counted_up(line) if lead[3] and number < len(items) else line, end)
            for number, (line, end) in enumerate(lines[at + 1 :])
        ]
        if lead[3] and at != items[-1][0]
        else lines[at + 1 :]
    )
    return [*lines[: at + 1], (item, None), *rest]


def _counted_up(line: str) -> str:
    return re.sub(r"^(\s*)(\d+)([.)]\s)", lambda found: f"{found[1]}{int(found[2]) + 1}{found[3]}", line)


def slug(heading: str) -> str:
    """The anchor that GitHub and most others give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _written(lines: list[str], entry: Entry, shape: Shape) -> list[str]:
    model_entry = shape.entries[-1]
    model = lines[model_entry.line : model_entry.line + 8]
    bodies = [_body(lines, one, shape) for one in shape.entries]
    return shape.style.render(entry.heading, _paragraphs(entry.sentences, bodies, shape), model)


def _body(lines: list[str], one: Found, shape: Shape) -> list[str]:
    later = [other.line for other in (*shape.entries, *all_headings(visible(lines))) if other.line > one.line]
    body = lines[one.body : min(later, default=len(lines))]
    return [line for line in body if line.strip() and not HR.match(line) and not _TAIL.match(line)]


def _paragraphs(sentences: tuple[str, ...], bodies: list[list[str]], shape: Shape) -> list[str]:
    """The sentences as the neighbours lay theirs out: as items of a list, one to a line, or run on."""
    filled = [body for body in bodies if body]
    for marker in ("- ", "* ", "+ "):
        if not shape.style.tight and filled and all(line.startswith(marker) for line in filled[-1]):
            return [f"{marker}{sentence}" for sentence in sentences]
    if not shape.style.tight and filled and all(re.match(r"^\d+[.)] ", line) for line in filled[-1]):
        return [f"{number}. {sentence}" for number, sentence in enumerate(sentences, 1)]
    stepped = [body for body in filled if len(body) > 1]
    if (
        stepped
        and shape.style.name in ("hash", "equals", "underlined", "bold", "details")
        and all(line.rstrip().endswith((".", "!", "?")) for body in stepped for line in body)
    ):
        return list(sentences)
    return [" ".join(sentences)]
