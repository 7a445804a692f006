"""Redacting a text, and JSON values with their field names."""

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from guildhall.kernel.redaction import formats
from guildhall.kernel.redaction.known import known_values, values_of_all
from guildhall.kernel.redaction.manifests import without_values

MARK = "[redacted]"
MOST_PLACES = 3
SHORTEST = 6
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
        text = values.sub(_lines, text)
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
        text = _without_below(formats.ASSIGNED.sub(_assignment, text))
        text = formats.PAIRED.sub(_paired, text) if "value" in folded else text
    text = without_values(text, MARK, _harmless)
    return formats.BLOCK.sub(_lines, text) if len(text) > 180 else text


def reveals(text: str) -> bool:
    """Whether there is a secret in `text`."""
    return redact(text) != text


def hidden_at(text: str, clean: str) -> str:
    """Where `clean` has not what `text` has: the first lines by their number, and the names that values are given to there."""
    after = clean.split("\n")
    both = zip_longest(text.split("\n"), after)
    other = [number for number, (one, now) in enumerate(both) if one != now]
    told = ", ".join(f"line {number + 1}{_given(after, number)}" for number in other[:MOST_PLACES])
    return told + (" and more" if len(other) > MOST_PLACES else "")


def _given(lines: list[str], number: int) -> str:
    """The name that what is hidden in a line is given to, there or in the line above."""
    before = lines[number].partition(MARK)[0] if number < len(lines) else ""
    found = formats.GIVEN.search(before if before.strip() or not number else lines[min(number, len(lines)) - 1])
    return f" ({found[1]})" if found else ""


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
    refers = told and formats.REFERS.search(name) and formats.is_reference(value)
    if told and len(value) >= 4 and not refers and not _harmless(value):
        return MARK
    return redact_data(value, clean)


def _lines(found: re.Match[str]) -> str:
    return MARK + "\n" * found[0].count("\n")


def _header(found: re.Match[str]) -> str:
    """`token`, and whatever ends its line, stands before words as well; `Bearer` and `Basic` stand before words only in prose."""
    value = found[2]
    told = found[1].strip().lower() == "token" or "\n" in found[1]
    if MARK in value or (told and not formats.is_random(value)):
        return found[0]
    return found[0] if value.isalpha() and value.islower() else found[1] + MARK


def _address(found: re.Match[str]) -> str:
    """A password of which only the place is written (`{password}`, `$PASSWORD`, `<password>`) is none."""
    return found[0] if formats.PLACE.match(found[2]) else f"{found[1]}{MARK}{found[3]}"


def _harmless(value: str) -> bool:
    return _SPAN.search(value) is not None or formats.HARMLESS.match(value) is not None


def _assignment(found: re.Match[str]) -> str:
    quote, value = found["quote"], found["quoted"] or found["open"] or found["bare"]
    if _harmless(value):
        return found[0]
    if not quote and _is_code(found[1], value, found.string[found.end() : found.end() + 1]):
        return found[0]
    if formats.REFERS.search(found[1]) and formats.is_reference(value):
        return found[0]
    if found["name"].lower() == "token" and not formats.is_random(value):
        return found[0]
    return f"{found[1]}{quote}{MARK}{found['end'] or ''}" if quote else found[1] + MARK


def _paired(found: re.Match[str]) -> str:
    """As with fields, the whole name has to tell: what `SECRET_HOOK` is given is no secret."""
    rest, value = found["rest"], found["value"]
    kept = not formats.REFERS.search(rest) or formats.is_reference(value) if rest else False
    return found[0] if kept or _harmless(value) else found[1] + MARK


def _without_below(text: str) -> str:
    """What is let through below one name has names of its own, perhaps, and values below those."""
    parts, done, at = [], 0, 0
    while found := formats.BELOW.search(text, at):
        clean = _below(found)
        at = found.end(1) if clean == found[0] else found.end()
        if clean != found[0]:
            parts += [text[done : found.start()], clean]
            done = at
    return "".join([*parts, text[done:]])


def _below(found: re.Match[str]) -> str:
    """Prose and code go on below a name as well: a value has no blanks, and looks random where no mark of YAML announces it."""
    lines = found["value"].split("\n")
    words = [line.strip().strip("+\"'").strip() for line in lines if line.strip()]
    if any(map(_harmless, words)) or any(" " in one or "\t" in one for one in words) or len("".join(words)) < SHORTEST:
        return found[0]
    if formats.REFERS.search(found["rest"]) and all(map(formats.is_reference, words)):
        return found[0]
    if not found["block"] and not (len(words) == 1 and formats.is_random(words[0])):
        return found[0]
    return found[1] + "\n".join(_masked(line) for line in lines)


def _masked(line: str) -> str:
    start = line.rstrip()
    return line if not start else start[: len(start) - len(start.lstrip("+ \t"))] + MARK


def _is_code(left: str, value: str, after: str) -> bool:
    """A name or a call (`password = read_password`) is code and no secret; what a shell assigns is a value."""
    if after in ("(", "["):
        return True
    if formats.PLAIN.match(value) is None or formats.SHELL.match(left):
        return False
    word_given = left.endswith("=") and formats.WORD.match(value) is not None and after in ("", *"\n\r& '\"#")
    return not word_given
