"""Secrets of Kubernetes in a text: what stands below `data` and `stringData` is secret, whatever it looks like and is called."""

import re
from collections.abc import Callable, Iterator

KIND = re.compile(r"(?m)^[ +-]?[ \t]*+(?:- )?[\"']?kind[\"']?[ \t]*:[ \t]*[\"']?Secret[\"']?[ \t]*+,?[ \t]*+\r?$")
BETWEEN = re.compile(r"(?m)^(?=[ +-]?---)")
"""Where one document of YAML ends and the next begins, in a diff as well."""
HEAD = re.compile(r"([+-]?[ \t]*(?:- )?)[\"']?(?:data|stringData)[\"']?[ \t]*:[ \t]*(.*)")
ENTRY = re.compile(r"([+-]?[ \t]*[\"']?[\w.-]{1,253}[\"']?[ \t]*:[ \t]*[\"']?)(.*)")
INSIDE = re.compile(r"(:[ \t]*[\"']?)([^\s\"',{}][^\"',{}]*)")
LEAD = re.compile(r"\A[+-]?[ \t]*")
BLANKS = " \t\r"
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
        opens = head[2].rstrip(BLANKS) if head else ""
        depth = len(head[1]) if head and opens in ("", "{") else None
        flow = opens.startswith("{")
        yield INSIDE.sub(lambda found: _told(found[1], found[2], "", mark, harmless), line) if flow else line


def _depth(line: str) -> int:
    return len(line) - len(LEAD.sub("", line))


def _masked(line: str, mark: str, harmless: Callable[[str], bool]) -> str:
    if found := ENTRY.match(line):
        rest = found[2].rstrip(BLANKS).removesuffix(",")
        value = rest[:-1] if rest.endswith(("'", '"')) else rest
        return _told(found[1], value, found[2][len(value) :], mark, harmless)
    text = line.strip(" \t\r+,")
    return line if EMPTY.fullmatch(text) or harmless(text) else line[: _depth(line)] + mark


def _told(left: str, value: str, right: str, mark: str, harmless: Callable[[str], bool]) -> str:
    kept = EMPTY.fullmatch(value) or harmless(value)
    return f"{left}{value}{right}" if kept else f"{left}{mark}{right}"
