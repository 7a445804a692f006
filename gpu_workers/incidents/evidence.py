"""An incident's evidence as an agent reads it: numbered lines of named files, in bounded pieces. Pure; no Django."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

LINE_SHOWN = 300
"""Characters of a line that are shown; what is longer ends with a mark."""
MOST_LINES, LONGEST_LINE = 500, 2000
"""Lines that people are shown at once, and characters of each."""
PIECE_CHARS = 5000
"""Characters of one answer: whole lines, and where to read on."""
TROUBLE = re.compile(
    r"\b(error|fatal|critical|panic|emerg|alert|severe|exception|traceback|failed|failure|refused|unhealthy|"
    r"timed?[ -]?out|oom|killed|denied|deadlock|unreachable|no space)\b|\bstatus[=: ]+5\d\d\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file that somebody brought. `kind` is log, metrics, errors or health; its lines count from 1."""

    name: str
    kind: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All files of one incident, and nothing else; `parts` are the names that a triage may blame."""

    files: Mapping[str, EvidenceFile]
    parts: tuple[str, ...]

    def of_kind(self, *kinds: str) -> list[EvidenceFile]:
        return [file for file in self.files.values() if file.kind in kinds]

    def line(self, name: str, number: int) -> str | None:
        """Line `number` of a file, None where there is none."""
        file = self.files.get(name)
        return file.lines[number - 1] if file is not None and 1 <= number <= len(file.lines) else None


def split_lines(text: str) -> tuple[str, ...]:
    """The lines of a text, by line feeds alone, so that a number means the same line to everybody."""
    lines = text.split("\n")
    return tuple(lines[:-1] if lines and not lines[-1] else lines)


def numbered(lines: Sequence[str], first: int) -> list[tuple[int, str]]:
    """What people are shown of a text at once, from line `first` on, each line with its number."""
    some = lines[first - 1 : first - 1 + MOST_LINES]
    return [(number, text[:LONGEST_LINE]) for number, text in enumerate(some, first)]


def piece(file: EvidenceFile, start: int, *, contains: str = "") -> str:
    """Numbered lines of `file` from line `start` on, as many as fit; those with `contains` alone where it is given."""
    wanted = contains.lower()
    rows = (
        (file.name, number, line)
        for number, line in enumerate(file.lines, 1)
        if number >= start and (not wanted or wanted in line.lower())
    )
    return _fitting(rows) or f"{file.name} has {len(file.lines)} lines; none from line {start} on fits."


def troubles(files: Sequence[EvidenceFile], *, contains: str = "", start: int = 1) -> str:
    """The lines that speak of trouble, of all these files; a file of errors has no other lines.

    `start` counts these lines, so that a long list can be read on.
    """
    wanted = contains.lower()
    rows = [
        (file.name, number, line)
        for file in files
        for number, line in enumerate(file.lines, 1)
        if (file.kind == "errors" or TROUBLE.search(line)) and wanted in line.lower()
    ]
    if not rows[start - 1 :]:
        return "No line speaks of trouble." if not rows else f"There are {len(rows)} such lines."
    return f"[{len(rows)} lines]\n{_fitting(iter(rows[start - 1 :]))}"


def summary(file: EvidenceFile) -> str:
    """Of metrics with a header and commas: first, lowest, highest and last of each column of numbers. Else ""."""
    header = [name.strip() for name in file.lines[0].split(",")] if file.lines else []
    if len(header) < 2:
        return ""
    rows = [line.split(",") for line in file.lines[1:]]
    said = []
    for column, name in enumerate(header):
        values = [found for row in rows if len(row) == len(header) and (found := _number(row[column])) is not None]
        if len(values) > 1:
            shown = f"first {values[0]:g}, lowest {min(values):g}, highest {max(values):g}, last {values[-1]:g}"
            said.append(f"{name[:60]}: {shown}")
    return "\n".join(said)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _fitting(rows: Iterator[tuple[str, int, str]]) -> str:
    said: list[str] = []
    left = PIECE_CHARS
    for name, number, line in rows:
        shown = f"{name}:{number}| {line if len(line) <= LINE_SHOWN else line[:LINE_SHOWN] + ' […]'}"
        if len(shown) + 1 > left:
            return "\n".join([*said, f"[cut here; read on from {name}:{number}]"])
        said.append(shown)
        left -= len(shown) + 1
    return "\n".join(said)
