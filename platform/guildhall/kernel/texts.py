"""Text from outside: what PostgreSQL can store and UTF-8 can carry. Pure."""

from collections.abc import Iterator

DEEPEST = 40


class TooDeep(ValueError):
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
    return any("\0" in text or any("\ud800" <= mark <= "\udfff" for mark in text) for text in texts_in(value))
