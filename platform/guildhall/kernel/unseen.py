"""Characters that people cannot see, or read as others: what holds one is not applied, and shown with its code. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

UNSEEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs")
"""What steers, turns the reading round, has no form of its own, ends a line, or looks like the space between two words."""
BLANK = (
    frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
    | frozenset(map(chr, range(0xFE00, 0xFE10)))
    | frozenset(map(chr, range(0xE0100, 0xE01F0)))
)
"""Letters and marks that show as nothing, or choose how the one before them is drawn."""
PICTURE, JOIN, PART, KEY = "\ufe0f", "\u200d", "\u200c", "\u20e3"
"""What draws a sign as a picture, makes one of several signs or letters, keeps letters apart that would join, and puts a frame
around the one before: people see what they make."""
PICTURES = range(0x1F000, 0x1FB00)
"""Where new pictures come, also those that this Python does not know yet."""
DRAWN = ("So", "Sm", "Sk")
JOINING = range(0x0600, 0x18B0)
"""Where the scripts are whose letters join, from Arabic to Mongolian."""
SPACES = "".join(map(chr, (0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)))
"""Spaces of other widths, and those at which no line ends: many languages are set with them, and they mislead in code alone."""
PROSE = "\n\t\r" + SPACES
PRINTED = bytes(range(0x20, 0x7F))


def unseen(text: str) -> str:
    """The first character of `text` that nobody sees as what it is, by its code and name; "" where there is none."""
    return next((_code(one) for one in text if _hides(one)), "") if not _plain(text) else ""


def sign(mark: str) -> str:
    """How a character that nobody sees is shown."""
    return f"<U+{ord(mark):04X}>"


def seen(text: str, plain: str = "\n\t", shown: Callable[[str], str] = sign) -> str:
    """`text` with the code, such as <U+202E>, in place of each character that nobody sees as what it is.

    What is `plain` stays, as does what belongs to the end of a line, to a picture or to the letters that it stands between.
    """
    odd = hiding(text, plain)
    if not odd:
        return text
    return re.sub(f"[{re.escape(odd)}]", lambda at: at[0] if _belongs(at, plain) else shown(at[0]), text)


def hiding(text: str, plain: str) -> str:
    """Which characters of `text` nobody sees, those that may belong to others among them."""
    return "".join(mark for mark in set(text) if mark not in plain and _hides(mark, " "))


def hiding_in(content: bytes, plain: str) -> str:
    """As `hiding` of a text in UTF-8, however long: nearly all of it is printed ASCII, which is left out first."""
    left = content.translate(None, PRINTED + plain.encode("ascii", "ignore"))
    return hiding(left.decode("utf-8", "replace"), plain)


def unseen_in(given: Any, at: str = "") -> Iterator[str]:
    """Where such a character stands in a value of JSON, names of fields included."""
    if isinstance(given, str):
        if found := unseen(given):
            yield f"{found} in {_place(at)}"
    elif isinstance(given, list):
        for number, one in enumerate(given):
            yield from unseen_in(one, f"{at}[{number}]")
    elif isinstance(given, dict):
        for name, one in given.items():
            if found := unseen(str(name)):
                yield f"{found} in a name of {_place(at)}"
            yield from unseen_in(one, f"{at}.{name}" if at else str(name))


def _place(at: str) -> str:
    """A way to a value; what is not seen in it is told by its code as well."""
    return ascii(at)[1:-1][:200] or "the object"


def _plain(text: str) -> bool:
    """Nearly everything is; looking at each character of it would cost a hundred times as much."""
    return text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()


def _hides(mark: str, plain: str = "\n\t ") -> bool:
    if mark in plain or ord(mark) in PICTURES:
        return False
    return unicodedata.category(mark) in UNSEEN or mark in BLANK


def _belongs(at: re.Match[str], plain: str) -> bool:
    mark, before, after = at[0], at.string[max(at.start() - 1, 0) : at.start()], at.string[at.end() : at.end() + 1]
    if mark == "\r":
        return "\n" in plain and after in ("\n", "")
    if mark == PICTURE:
        return after == KEY or _draws(before)
    if mark == JOIN and (before == PICTURE or _draws(before)):
        return _draws(after)
    return mark in (JOIN, PART) and _joins(before) and _joins(after)


def _draws(mark: str) -> bool:
    """Whether it is a sign of its own, or the tone of one, and none that code is written with."""
    return bool(mark) and not mark.isascii() and (unicodedata.category(mark) in DRAWN or ord(mark) in PICTURES)


def _joins(mark: str) -> bool:
    return bool(mark) and ord(mark) in JOINING and unicodedata.category(mark)[0] in "LM" and mark not in BLANK


def _code(mark: str) -> str:
    return f"U+{ord(mark):04X} ({unicodedata.name(mark, 'control')})"
