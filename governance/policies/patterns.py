"""Tenants' regular expressions: matched in time that grows with the text alone, whatever the pattern. Pure; no Django.

RE2 does not backtrack, so that no pattern that a tenant writes can hold a worker up; it has no look-around and no
back-references, and `\\w`, `\\s` and `\\b` are about ASCII.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol, cast

import re2

WINDOW = 1024
"""Characters."""


class Found(Protocol):
    """Where a pattern was found."""

    def start(self) -> int: ...
    def end(self) -> int: ...
    def group(self) -> str: ...


class _Compiled(Protocol):
    def search(self, text: str) -> Found | None: ...
    def finditer(self, text: str, pos: int = 0) -> Iterator[Found]: ...


@lru_cache(maxsize=4096)
def compiled(pattern: str, *, across_lines: bool = False) -> _Compiled:
    """The pattern, ready to use; `across_lines` lets a dot stand for a line's end too. Raises ValueError with the reason."""
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = across_lines
    try:
        return cast("_Compiled", re2.compile(pattern, options))
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if error.args else error
        raise ValueError(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)) from None


def search(pattern: str, text: str, *, across_lines: bool = False) -> Found | None:
    """The first place in `text` where the pattern is found."""
    return compiled(pattern, across_lines=across_lines).search(_plain(text))


def first_text(pattern: str, text: str) -> tuple[int, int] | None:
    """Where in `text` the pattern is first found and is more than nothing (`x*` is found everywhere): start and end."""
    return next(_places(pattern, _plain(text)), None)


def replace(pattern: str, mark: str, text: str) -> str:
    """`text` with `mark` for each place where the pattern is found and is more than nothing."""
    plain, kept, at = _plain(text), [], 0
    for start, end in _places(pattern, plain):
        kept += [plain[at:start], mark]
        at = end
    return "".join([*kept, plain[at:]])


def _places(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    """Start and end of whatever the pattern is found in and is more than nothing, in order.

    Once it is found in nothing it is tried at every place, and looks no further than a window from there: else the time
    would grow with the square of the text.
    """
    at = 0
    for found in compiled(pattern).finditer(text):
        if not found.group():
            break
        at = found.end()
        yield found.start(), at
    else:
        return
    while at < len(text):
        # One character before it says whether a word or a line begins here.
        before = max(at - 1, 0)
        after = at + WINDOW
        for found in compiled(pattern).finditer(text[before : after + WINDOW], at - before):
            if before + found.start() >= after:
                break
            if found.group():
                yield before + found.start(), before + found.end()
                after = max(after, before + found.end())
        at = after


def _plain(text: str) -> str:
    """Half a surrogate pair, which is no character, becomes a question mark; lengths stay."""
    return text.encode("utf-8", "replace").decode()
