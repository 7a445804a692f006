"""Objects as people read them before they allow them: whole, but for the values of secrets, which only Secrets may hold. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from gpu_workers.plans.documents import Loader
from guildhall.kernel.redaction import hidden_at, redact, redact_data, reveals

KEPT = "kubectl.kubernetes.io/last-applied-configuration"
VALUES = ("data", "stringData")
Body = Mapping[str, Any]


def text_of(body: Body) -> tuple[str, bool]:
    """An object as people read it, and whether that leaves something out: values of a Secret, and of nothing else.

    In plain ASCII: a character that is not seen, or that turns the order of others, is read as what it is.
    """
    shown = shown_of(body)
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=False, width=10_000), shown != body


def secrets_in(body: Body) -> Iterator[str]:
    """Where something that reads like a secret stands in what people would be shown: its line and name, never the value."""
    text = text_of(body)[0]
    lines, found = lines_of(text), False
    for at, inside in _reading(shown_of(body), ""):
        found = True
        yield redact(f"{at[:200]}, {inside or f'line {lines.get(at, 1)} of the object'}")
    if not found and (where := hidden_at(text, redact(text))):
        yield f"{where} of the object"


def lines_of(text: str) -> dict[str, int]:
    """In which line of an object's text each value begins, by the way to it."""
    return dict(_lines(yaml.compose(text, Loader=Loader), ""))


def _lines(node: Any, at: str) -> Iterator[tuple[str, int]]:
    yield at, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for name, one in node.value:
            yield from _lines(one, f"{at}.{name.value}" if at else str(name.value))
    elif isinstance(node, yaml.SequenceNode):
        for number, one in enumerate(node.value):
            yield from _lines(one, f"{at}[{number}]")


def shown_of(body: Body) -> dict[str, Any]:
    """An object with nothing left out but values of a Secret, in whose place their length and hash stand."""
    if body.get("apiVersion") != "v1" or body.get("kind") != "Secret":
        return dict(body)
    shown = {name: _counted(value) if name in VALUES else value for name, value in body.items()}
    meta = body.get("metadata")
    notes = meta.get("annotations") if isinstance(meta, dict) else None
    if isinstance(meta, dict) and isinstance(notes, dict) and isinstance(notes.get(KEPT), str):
        shown["metadata"] = {**meta, "annotations": {**notes, KEPT: _told(notes[KEPT])}}
    return shown


def _counted(values: Any) -> Any:
    """Each text by its length and the beginning of its hash: who knows the value can tell that it is this one."""
    if not isinstance(values, dict):
        return values
    return {name: _told(value) if isinstance(value, str) else value for name, value in values.items()}


def _told(value: str) -> str:
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return f"<{len(value)} characters, SHA-256 {digest[:8]}>"


def _reading(given: Any, at: str) -> Iterator[tuple[str, str]]:
    """The places of texts that read like a secret, by what they are or by the name that they are given to, and where inside."""
    if isinstance(given, list):
        for number, one in enumerate(given):
            yield from _named("", one, f"{at}[{number}]")
    elif isinstance(given, dict):
        for name, one in given.items():
            yield from _named(str(name), one, f"{at}.{name}" if at else str(name))
        if isinstance(given.get("value"), str):
            yield from _named(str(given.get("name", "")), given["value"], f"{at}.value")


def _named(name: str, value: Any, at: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, str):
        yield from _reading(value, at)
    elif "\n" in value and (inside := hidden_at(value, redact(value))):
        yield at, inside
    elif redact_data({name: value}) != {name: value} or reveals(f"{name}: {value}"):
        yield at, ""
