"""The ways in which documents mark an entry, each with how to find its entries and how to write one more."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

HR = re.compile(r"^\s{0,3}(?:-\s?){3,}$|^\s{0,3}(?:\*\s?){3,}$|^\s{0,3}(?:_\s?){3,}$")
UNDERLINE = re.compile(r"^([=\-~^\"'*+#`])\1{2,}\s*$")
LONGEST_LINE = 2000
"""Characters. No heading or entry's first line has more, and runs of blanks take the patterns here the square of their length."""


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a document: its first line, the line where its body starts, its heading, its rank (1 is highest)."""

    line: int
    body: int
    heading: str
    rank: int = 1


@dataclass(frozen=True, slots=True)
class Style:
    """`find` lists entries; `render(heading, paragraphs, model)` writes one like `model`'s first lines.

    `tight` entries follow each other without a blank line; `question` ones hold questions.
    """

    name: str
    find: Callable[[list[str]], list[Found]]
    render: Callable[[str, list[str], list[str]], list[str]]
    tight: bool = False
    question: bool = False


def visible(lines: list[str]) -> list[str]:
    """The lines with those of code blocks and comments emptied, and the overlong, so that nothing in them counts."""
    shown, fenced, comment = [], False, False
    for line in lines:
        fence = line.lstrip().startswith(("```", "~~~"))
        comment = comment or line.lstrip().startswith("<!--")
        shown.append("" if fenced or fence or comment or len(line) > LONGEST_LINE else line)
        fenced = fenced != fence
        comment = comment and "-->" not in line
    return shown


def _by(pattern: re.Pattern[str]) -> Callable[[list[str]], list[Found]]:
    def find(lines: list[str]) -> list[Found]:
        return [Found(at, at, hit[1].strip()) for at, line in enumerate(lines) if (hit := pattern.match(line))]

    return find


def _entries_of_commonest_rank(found: list[Found]) -> list[Found]:
    """Of the headings of a document, those that are entries: the commonest rank below the title, deeper on a draw."""
    first = min((entry.rank for entry in found), default=1)
    if sum(entry.rank == first for entry in found) == 1 and len(found) > 1:
        found = [entry for entry in found if entry.rank != first]
    elif len(found) == 1:
        return []
    counts = Counter(entry.rank for entry in found)
    rank = max(counts, key=lambda one: (counts[one], one), default=1)
    return [entry for entry in found if entry.rank == rank]


def marked_headings(lines: list[str], mark: str) -> list[Found]:
    pattern = re.compile(rf"^({re.escape(mark)}{{1,6}})\s+(.+?)\s*(?:{re.escape(mark)}+\s*)?$")
    hits = [(at, pattern.match(line)) for at, line in enumerate(lines)]
    return [Found(at, at + 1, hit[2], len(hit[1])) for at, hit in hits if hit]


def underlined_headings(lines: list[str]) -> list[Found]:
    """Ranks in the order in which the underlines are first used."""
    found: list[Found] = []
    order: list[str] = []
    for at in range(len(lines) - 1):
        mark = UNDERLINE.match(lines[at + 1])
        title = lines[at].strip()
        if mark and title and not UNDERLINE.match(lines[at]) and len(lines[at + 1].strip()) >= len(title) - 2:
            if mark[1] not in order:
                order.append(mark[1])
            found.append(Found(at, at + 2, title, order.index(mark[1]) + 1))
    return found


def all_headings(lines: list[str]) -> list[Found]:
    return sorted(
        [*marked_headings(lines, "#"), *marked_headings(lines, "="), *underlined_headings(lines)],
        key=lambda found: found.line,
    )


def _render_marked(heading: str, paragraphs: list[str], model: list[str]) -> list[str]:
    mark = re.match(r"^\S+", model[0])
    blank = [""] if len(model) < 2 or not model[1].strip() else []
    return [f"{mark[0] if mark else '##'} {heading}", *blank, *paragraphs]


def _render_underlined(heading: str, paragraphs: list[str], model: list[str]) -> list[str]:
    blank = [""] if len(model) < 3 or not model[2].strip() else []
    return [heading, model[1].strip()[0] * max(len(heading), 3), *blank, *paragraphs]


def _render_labels(heading: str, paragraphs: list[str], model: list[str]) -> list[str]:
    """Q and A in the very marks of the neighbour: `**Q:** …`, `Q. …`, `**Q: …**`."""
    asked = re.match(
        r"^(\s*(?:[-*]\s+)?(?:\*\*|__|#+ )?Q(?:uestion)?\s*\d*\s*[:.](?:\*\*|__)?\s*)(.*?)((?:\*\*|__)?\s*)$", model[0]
    )
    label, close = (asked[1], asked[3].rstrip()) if asked else ("Q: ", "")
    label = re.sub(r"\d+", lambda number: str(int(number[0]) + 1), label)
    answer, between = "A: ", []
    for number, line in enumerate(model[1:], 1):
        if found := re.match(r"^(\s*(?:[-*]\s+)?(?:\*\*|__)?A(?:nswer)?\s*\d*\s*[:.](?:\*\*|__)?\s*)", line):
            answer = re.sub(r"\d+", lambda digits: str(int(digits[0]) + 1), found[1])
            between = [""] if number > 1 and not model[number - 1].strip() else []
            break
    return [f"{label}{heading}{close}", *between, f"{answer}{paragraphs[0]}", *paragraphs[1:]]


def _render_bold(heading: str, paragraphs: list[str], model: list[str]) -> list[str]:
    mark = "__" if model[0].lstrip().startswith("__") else "**"
    blank = [""] if len(model) > 1 and not model[1].strip() else []
    return [f"{mark}{heading}{mark}", *blank, *paragraphs]


def _render_item(heading: str, paragraphs: list[str], model: list[str]) -> list[str]:
    shape = re.match(r"^(\s*[-*+]\s+)(\*\*|__|`)(.+?)(:?)\2(\s*(?::|–|—|-)?\s*)", model[0])
    if shape is None:
        return [f"- {' '.join([heading, *paragraphs])}"]
    return [f"{shape[1]}{shape[2]}{heading}{shape[4]}{shape[2]}{shape[5]}{' '.join(paragraphs)}"]


def _render_definition(heading: str, paragraphs: list[str], model: list[str]) -> list[str]:
    lead = re.match(r"^(\s*:?\s+)", model[1])
    return [heading, f"{lead[1] if lead else ':   '}{' '.join(paragraphs)}"]


def _render_double_colon(heading: str, paragraphs: list[str], model: list[str]) -> list[str]:
    inline = not re.match(r"^\S.*::\s*$", model[0])
    text = " ".join(paragraphs)
    return [f"{heading}:: {text}"] if inline else [f"{heading}::", f"  {text}"]


def _render_details(heading: str, paragraphs: list[str], model: list[str]) -> list[str]:
    one_line = "<summary>" in model[0]
    opening = [f"<details><summary>{heading}</summary>"] if one_line else ["<details>", f"<summary>{heading}</summary>"]
    return [*opening, "", *paragraphs, "", "</details>"]


def _render_row(heading: str, paragraphs: list[str], model: list[str]) -> list[str]:
    return [f"| {heading} | {' '.join(paragraphs)} |"]


def _find_definitions(lines: list[str]) -> list[Found]:
    return [
        Found(at, at + 1, lines[at].strip())
        for at in range(len(lines) - 1)
        if re.match(r"^[^\s#:|>*-]", lines[at])
        and (re.match(r"^:\s+\S", lines[at + 1]) or (re.match(r"^\s{2,4}\S", lines[at + 1]) and len(lines[at]) < 60))
        and not lines[at].rstrip().endswith((".", "::"))
    ]


def _find_rows(lines: list[str]) -> list[Found]:
    """Rows of two-column tables, without the head and its rule."""
    row = re.compile(r"^\|\s*([^|]+?)\s*\|[^|]+\|\s*$")
    found = []
    for at, line in enumerate(lines):
        rule = at + 1 < len(lines) and re.match(r"^\|[\s:|-]+\|\s*$", lines[at + 1])
        hit = row.match(line)
        if hit and not rule and not re.match(r"^\|[\s:|-]+\|\s*$", line):
            found.append(Found(at, at, hit[1]))
    return found


def _find_details(lines: list[str]) -> list[Found]:
    found = []
    for at, line in enumerate(lines):
        if re.match(r"^\s*<details", line):
            hit = re.search(r"<summary>(.*?)</summary>", " ".join(lines[at : at + 3]))
            if hit:
                found.append(Found(at, at + 1, re.sub(r"<[^>]+>", "", hit[1]).strip()))
    return found


STYLES = (
    Style("details", _find_details, _render_details),
    Style(
        "labels",
        _by(
            re.compile(
                r"^\s*(?:[-*]\s+)?(?:\*\*|__|#+ )?Q(?:uestion)?\s*\d*\s*[:.](?:\*\*|__)?\s*(\S.*?)(?:\*\*|__)?\s*$"
            )
        ),
        _render_labels,
        question=True,
    ),
    Style("hash", lambda lines: _entries_of_commonest_rank(marked_headings(lines, "#")), _render_marked),
    Style("equals", lambda lines: _entries_of_commonest_rank(marked_headings(lines, "=")), _render_marked),
    Style("underlined", lambda lines: _entries_of_commonest_rank(underlined_headings(lines)), _render_underlined),
    Style("bold", _by(re.compile(r"^(?:\*\*|__)([^*_].*?)(?:\*\*|__)\s*$")), _render_bold),
    Style(
        "items",
        _by(re.compile(r"^\s{0,3}[-*+]\s+(?:\*\*|__|`)(.+?):?(?:\*\*|__|`)\s*(?::|–|—|-)?\s*\S")),
        _render_item,
        tight=True,
    ),
    Style("double colon", _by(re.compile(r"^(\S[^:]*)::(?:\s|$)")), _render_double_colon),
    Style("definitions", _find_definitions, _render_definition),
    Style("rows", _find_rows, _render_row, tight=True),
)
