"""Redacting a text, and JSON values with their field names."""

import re
from collections.abc import Callable
from typing import Any

from guildhall.kernel.redaction import formats
from guildhall.kernel.redaction.known import known_values, values_of_all

MARK = "[redacted]"
_SPAN = re.compile(re.escape(MARK))


def redact(text: str) -> str:
    """`text` with keys, tokens, passwords in addresses and assigned secrets replaced by a mark.

    Lines stay lines, so numbers of lines still fit. Doing it again changes nothing.
    """
    return _without(text, known_values())


def redact_for_log(text: str) -> str:
    """`text` without any tenant's secrets either: a process's log is the operator's and belongs to no tenant."""
    return _without(text, values_of_all())


def redact_by_form(text: str) -> str:
    """`text` without what looks like a secret, in every process the same, whatever it knows."""
    return _without(text, [])


def _without(text: str, known: list[re.Pattern[str]]) -> str:
    if len(text) < 8:
        return text
    for values in known:
        text = values.sub(MARK, text)
    if "PRIVATE KEY" in text:
        text = formats.PEM.sub(_lines, text)
    text = formats.KEYS.sub(MARK, text)
    # Looking for a word costs a hundredth of running an expression that ignores case.
    folded = text.lower()
    if "hooks.slack.com" in folded:
        text = formats.SLACK_HOOK.sub(rf"\1{MARK}", text)
    if "bearer" in folded or "basic" in folded or "token" in folded:
        text = formats.HEADER.sub(_header, text)
    if "cookie" in folded:
        text = formats.COOKIE.sub(rf"\1{MARK}", text)
    if "://" in text:
        text = formats.ADDRESS.sub(_address, text)
    if (":" in text or "=" in text) and any(name in folded for name in formats.HINTS):
        text = formats.ASSIGNED.sub(_assignment, text)
    return formats.BLOCK.sub(_lines, text) if len(text) > 180 else text


def reveals(text: str) -> bool:
    """Whether there is a secret in `text`."""
    return redact(text) != text


def redact_data(value: Any, clean: Callable[[str], str] = redact) -> Any:
    """A JSON value with every text in it redacted; the text of a field with a telling name (`password`) goes whole.

    What names something rather than says it, a digest, an id or the name of a field, is looked at by its form alone: a
    tenant whose secret looks like a commit shall not have its records name another one.
    """
    if isinstance(value, str):
        return redact_by_form(value) if formats.DIGEST.fullmatch(value) else clean(value)
    if isinstance(value, dict):
        return {_name(name): _field(name, inner, clean) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact_data(inner, clean) for inner in value]
    return value


def _name(name: Any) -> Any:
    return redact_by_form(name) if isinstance(name, str) else name


def _field(name: Any, value: Any, clean: Callable[[str], str]) -> Any:
    told = isinstance(name, str) and isinstance(value, str) and formats.TELLING.search(name) is not None
    if told and len(value) >= 4 and not _harmless(value):
        return MARK
    return redact_data(value, clean)


def _lines(found: re.Match[str]) -> str:
    return MARK + "\n" * found[0].count("\n")


def _header(found: re.Match[str]) -> str:
    """`token` stands before words as well; `Bearer` and `Basic` stand before words only in prose."""
    value = found[2]
    if MARK in value or (found[1].strip().lower() == "token" and not formats.is_random(value)):
        return found[0]
    return found[0] if value.isalpha() and value.islower() else found[1] + MARK


def _address(found: re.Match[str]) -> str:
    """A password of which only the place is written (`{password}`, `$PASSWORD`, `<password>`) is none."""
    return found[0] if formats.PLACE.match(found[2]) else f"{found[1]}{MARK}{found[3]}"


def _harmless(value: str) -> bool:
    return _SPAN.search(value) is not None or formats.HARMLESS.match(value) is not None


def _assignment(found: re.Match[str]) -> str:
    quote, value = found["quote"], found["quoted"] if found["quote"] else found["bare"]
    if _harmless(value):
        return found[0]
    if not quote and _is_code(found[1], value, found.string[found.end() : found.end() + 1]):
        return found[0]
    if found["name"].lower() == "token" and not formats.is_random(value):
        return found[0]
    return f"{found[1]}{quote}{MARK}{quote}" if quote else found[1] + MARK


def _is_code(left: str, value: str, after: str) -> bool:
    """A name or a call (`password = read_password`) is code and no secret; what a shell assigns is a value."""
    if after in ("(", "["):
        return True
    if formats.PLAIN.match(value) is None or formats.SHELL.match(left):
        return False
    word_given = left.endswith("=") and formats.WORD.match(value) is not None and after in ("", *"\n\r& '\"#")
    return not word_given
