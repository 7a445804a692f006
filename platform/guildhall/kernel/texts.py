"""Text and JSON from outside: what PostgreSQL can store and UTF-8 can carry. Pure."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

DEEPEST = 40
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
HALF = re.compile("[\ud800-\udbff]\\Z")


class Unreadable(ValueError):
    """A text is no JSON that could be worked with and kept; the message says why."""


class TooDeep(Unreadable):
    """Lists and objects are nested deeper than is accepted."""


def texts_in(value: object, deepest: int = DEEPEST) -> Iterator[str]:
    """Every string in what JSON gave, names of members included. Raises `TooDeep`."""
    if deepest == 0:
        raise TooDeep(f"At most {DEEPEST} levels of lists and objects are accepted.")
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from texts_in(inner, deepest - 1)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner, deepest - 1)


def unstorable(value: object) -> bool:
    """Whether a string in what JSON gave holds a null character or a lone surrogate. Raises `TooDeep`."""
    return any(UNSTORABLE.search(text) for text in texts_in(value))


def read_json(text: str) -> Any:
    """What a model, or whoever else may write anything, says in JSON.

    Raises `Unreadable` for what is no JSON, nests deeper than `DEEPEST`, or holds what no database can: null characters,
    lone surrogates, numbers that are none.
    """
    try:
        return _kept(_DECODER.decode(text))
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from None


def read_first_object(text: str) -> Any:
    """The JSON object that begins at the first brace of `text`, whatever stands around it. Raises as `read_json` does."""
    try:
        value, _ = _DECODER.raw_decode(text, text.index("{"))
        return _kept(value)
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from None


def storable(text: str) -> str:
    """`text` as it can be kept: split surrogate pairs are joined, lone surrogates and null characters are marked (U+FFFD)."""
    if UNSTORABLE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")


class StorableStream:
    """`storable` for a text that comes in pieces: half a pair waits for its other half."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, piece: str) -> str:
        """What of the text can be handed on now."""
        text, self._half = self._half + piece, ""
        if HALF.search(text):
            text, self._half = text[:-1], text[-1]
        return storable(text)

    def finish(self) -> str:
        """What is left; the stream can be used again afterwards."""
        rest, self._half = self._half, ""
        return storable(rest)


def _kept(value: Any) -> Any:
    if unstorable(value):
        raise Unreadable("text must not hold null characters or lone surrogates")
    return value


def _unreadable(error: ValueError | RecursionError) -> Unreadable:
    if isinstance(error, Unreadable):
        return error
    return Unreadable(
        "it nests too deep" if isinstance(error, RecursionError) else f"it is not JSON: {str(error)[:200]}"
    )


def _no_number(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not a number in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Unreadable(f"{digits[:20]} is too large a number")
    return number


_DECODER = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite)
