"""Objects as people read them before they allow them: whole, but for the values of secrets, which only Secrets may hold. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from guildhall.kernel.redaction import redact_data, reveals

KEPT = "kubectl.kubernetes.io/last-applied-configuration"
VALUES = ("data", "stringData")
Body = Mapping[str, Any]


def text_of(body: Body) -> tuple[str, bool]:
    """An object as people read it, and whether that leaves something out: values of a Secret, and of nothing else.

    In plain ASCII: a character that is not seen, or that turns the order of others, is read as what it is.
    """
    shown = _masked(body)
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=False, width=10_000), shown != body


def secrets_in(body: Body) -> Iterator[str]:
    """Where something that reads like a secret stands in what people would be shown."""
    shown, found = _masked(body), False
    for where in _reading(shown, ""):
        found = True
        yield where
    if not found and reveals(text_of(body)[0]):
        yield "its text"


def _masked(body: Body) -> dict[str, Any]:
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


def _reading(given: Any, at: str) -> Iterator[str]:
    """The places of texts that read like a secret, by what they are or by the name that they are given to."""
    if isinstance(given, list):
        for number, one in enumerate(given):
            yield from _named(str(number), one, f"{at}[{number}]")
    elif isinstance(given, dict):
        for name, one in given.items():
            yield from _named(str(name), one, f"{at}.{name}" if at else str(name))
        if isinstance(given.get("value"), str):
            yield from _named(str(given.get("name", "")), given["value"], f"{at}.value")


def _named(name: str, value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield from _reading(value, at)
    elif redact_data({name: value}) != {name: value}:
        yield at[:200]
