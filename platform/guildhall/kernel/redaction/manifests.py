"""Secrets of Kubernetes in a text: what stands below `data` and `stringData` is secret, whatever it looks like and is called."""

import re
from collections.abc import Callable, Iterator

KIND = re.compile(r"(?m)^[ +-]?[ \t]*(?:- )?[\"']?kind[\"']?[ \t]*:[ \t]*[\"']?Secret[\"']?[ \t]*,?[ \t]*\r?$")
BETWEEN = re.compile(r"(?m)^(?=[ +-]?---)")
"""Where one document of YAML ends and the next begins, in a diff as well."""
HEAD = re.compile(r"([+-]?[ \t]*(?:- )?)[\"']?(?:data|stringData)[\"']?[ \t]*:[ \t]*(.*?)[ \t\r]*\Z")
ENTRY = re.compile(r"([+-]?[ \t]*[\"']?[\w.-]{1,253}[\"']?[ \t]*:[ \t]*[\"']?)(.*?)([\"']?,?[ \t\r]*)\Z")
INSIDE = re.compile(r"(:[ \t]*[\"']?)([^\s\"',{}][^\"',{}]*)")
LEAD = re.compile(r"\A[+-]?[ \t]*")
EMPTY = re.compile(r"[|>][-+0-9]{0,2}|[\[\]{}]*")


def without_values(text: str, mark: str, harmless: Callable[[str], bool]) -> str:
    """`text` with the values of Secrets replaced by `mark`, but for those that only stand where one would. Lines stay lines."""
    if "Secret" not in text or KIND.search(text) is None:
        return text
    parts = BETWEEN.split(text)
    return "".join("\n".join(_lines(part.split("\n"), mark, harmless)) if KIND.search(part) else part for part in parts)


def _lines(lines: list[str], mark: str, harmless: Callable[[str], bool]) -> Iterator[str]:
    depth: int | None = None
    for line in lines:
        inside = depth is not None and (not line.strip(" \t\r+-") or _depth(line) > depth)
        if inside:
            yield _masked(line, mark, harmless)
            continue
        head = HEAD.match(line)
        depth = len(head[1]) if head and head[2] in ("", "{") else None
        flow = head is not None and head[2].startswith("{")
        yield INSIDE.sub(lambda found: _told(found[1], found[2], "", mark, harmless), line) if flow else line


def _depth(line: str) -> int:
    return len(line) - len(LEAD.sub("", line))


def _masked(line: str, mark: str, harmless: Callable[[str], bool]) -> str:
    if found := ENTRY.match(line):
        return _told(found[1], found[2], found[3], mark, harmless)
    text = line.strip(" \t\r+,")
    return line if EMPTY.fullmatch(text) or harmless(text) else line[: _depth(line)] + mark


def _told(left: str, value: str, right: str, mark: str, harmless: Callable[[str], bool]) -> str:
    kept = EMPTY.fullmatch(value) or harmless(value)
    return f"{left}{value}{right}" if kept else f"{left}{mark}{right}"
