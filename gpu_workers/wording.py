"""Words of agents that stand in commits and change requests: text within bounds, in which nothing acts where it is read.

Pure. Forges carry out what some words in a commit or a pull request say: checks are left out, issues are closed. People decide
on both, so that such words are told in another spelling.
"""

import re
import unicodedata

MOST_SUBJECT, MOST_TITLE, MOST_BODY = 120, 120, 4000
"""Characters of a commit's first line, of a change's title, and of what stands below either."""
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Kinds of characters that are not seen, or that change in which order others are."""
LEAVING_OUT = re.compile(r"\[\s*(skip\s+ci|ci\s+skip|no\s+ci|skip\s+actions|actions\s+skip)\s*\]", re.IGNORECASE)
CLOSING = re.compile(
    r"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(\s*:?\s+)(?=(?:[\w.-]+/[\w.-]+)?#\d|gh-\d|https?://)", re.IGNORECASE
)


def one_line(text: str, longest: int) -> str:
    """`text` as one line of at most `longest` characters."""
    plain = _inert(" ".join(_seen(text.replace("\n", " ")).split()))
    return plain if len(plain) <= longest else f"{plain[: longest - 1].rstrip()}…"


def lines(text: str, longest: int) -> str:
    """`text` with its lines and no more than one empty line between them, at most `longest` characters of it."""
    rows = [_seen(row).rstrip() for row in text.splitlines()]
    plain = re.sub(r"\n{3,}", "\n\n", _inert("\n".join(rows))).strip()
    return plain if len(plain) <= longest else f"{plain[: longest - 1].rstrip()}…"


def commit_message(task: str, said: str, signed: str) -> str:
    """What a commit for `task` says, "" where `said` holds no words: a first line that names the task, then the rest.

    `signed` is our own last paragraph below a rest: programs read names and orders out of the last one.
    """
    first, _, rest = said.strip().partition("\n")
    subject, body = one_line(first, MOST_SUBJECT - len(task) - 2), lines(rest, MOST_BODY)
    if not subject:
        return ""
    return f"{task}: {subject}\n\n{body}\n\n{signed}" if body else f"{task}: {subject}"


def quoted(text: str) -> str:
    """`text` as a block of Markdown in which nothing is markup, a name or a reference."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}text\n{text}\n{fence}"


def _seen(text: str) -> str:
    return "".join(
        " " if mark == "\t" else mark for mark in text if mark == "\t" or unicodedata.category(mark) not in HIDDEN
    )


def _inert(text: str) -> str:
    return CLOSING.sub(r"\1\2issue ", LEAVING_OUT.sub(r"(\1)", text))
