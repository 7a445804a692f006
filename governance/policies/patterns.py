"""Tenants' regular expressions: matched in time that grows with the text alone, whatever the pattern. Pure; no Django.

RE2 does not backtrack, so that no pattern that a tenant writes can hold a worker up; it has no look-around and no
back-references, and `\\w`, `\\s` and `\\b` are about ASCII.
"""

from functools import lru_cache
from typing import Protocol, cast

import re2


class Found(Protocol):
    """Where a pattern was found."""

    def start(self) -> int: ...
    def end(self) -> int: ...
    def group(self) -> str: ...


class _Compiled(Protocol):
    def search(self, text: str) -> Found | None: ...
    def sub(self, repl: object, text: str) -> str: ...


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


def replace(pattern: str, mark: str, text: str) -> str:
    """`text` with `mark` for each place where the pattern is found."""
    return compiled(pattern).sub(lambda _: mark, _plain(text))


def _plain(text: str) -> str:
    """Half a surrogate pair, which is no character, becomes a question mark; lengths stay."""
    return text.encode("utf-8", "replace").decode()
