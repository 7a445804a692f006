"""The vocabulary of events as an AsyncAPI 3.0 document with JSON schemas, made from the classes that the code runs on.

Kind and version name a payload for ever: `digests` are kept in git, and a payload that changed under the same version is
refused by a test.
"""

import hashlib
import inspect
import json
from functools import cache
from typing import Any

import yaml

from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.events import Event, vocabulary
from guildhall.streams.samples import example_of

TESTS = ("test.", "bench.")
ENVELOPE: dict[str, Any] = {
    "type": "object",
    "description": "What every event carries beside its own data.",
    "required": ["position", "kind", "version", "subject", "at", "actor", "operation_id", "trace_id", "data"],
    "properties": {
        "position": {"type": "integer", "minimum": 1, "description": "Gap-free in its stream; readers resume by it."},
        "kind": {"type": "string"},
        "version": {"type": "integer", "minimum": 1},
        "subject": {"type": "string", "description": "What it happened to, as a plain reference: story:SHOP-142."},
        "at": {"type": "string", "format": "date-time", "description": "UTC, by the database's clock."},
        "actor": {
            "type": "object",
            "required": ["ref", "kind", "id", "name", "roles"],
            "properties": {
                "ref": {"type": "string"},
                "kind": {"type": "string", "enum": ["person", "agent", "system", "owner"]},
                "id": {"type": "string"},
                "name": {"type": "string"},
                "roles": {"type": "array", "items": {"type": "string"}},
            },
        },
        "operation_id": {"type": "string", "format": "uuid", "description": "Finds it in the audit trail."},
        "trace_id": {"type": "string"},
        "data": {"type": "object"},
    },
}
AFTER: dict[str, Any] = {
    "type": "object",
    "required": ["after"],
    "additionalProperties": False,
    "properties": {"after": {"type": ["integer", "null"], "minimum": 0}},
}
ANNOUNCEMENT: dict[str, Any] = {
    "type": "object",
    "required": ["position"],
    "properties": {
        "position": {"type": "integer", "minimum": 0},
        "kind": {"type": "string"},
        "subject": {"type": "string"},
        "refetch": {"type": "boolean", "description": "Too much was missed to be told one by one."},
    },
}


def published() -> list[type[Event]]:
    """Every event class of the release, by kind and version."""
    return [cls for (kind, _), cls in sorted(vocabulary().items()) if not kind.startswith(TESTS)]


def message_name(event: type[Event]) -> str:
    """How a message is called in the document, such as `planning.story.created.v1`."""
    return f"{event.kind}.v{event.version}"


def payload_schema(event: type[Event]) -> dict[str, Any]:
    """The JSON schema of an event's data, with what it refers to inside it."""
    schema = event.model_json_schema(ref_template=f"#/components/schemas/{message_name(event)}/$defs/{{model}}")
    return {**_without(schema, "title"), "title": event.kind}


def digest(event: type[Event]) -> str:
    """SHA-256 over what a payload may hold; titles and descriptions do not count."""
    schema = _without(event.model_json_schema(), "title", "description")
    text = json.dumps(schema, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _without(value: Any, *words: str, names: bool = False) -> Any:
    """The schema without these keywords; `names` says that the keys here are names of fields or definitions."""
    if isinstance(value, list):
        return [_without(inner, *words) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without(inner, *words, names=not names and key in ("properties", "$defs"))
        for key, inner in value.items()
        if names or key not in words
    }


def digests() -> dict[str, str]:
    """The digest of every published payload by message name."""
    return {message_name(event): digest(event) for event in published()}


@cache
def document() -> dict[str, Any]:
    """The whole AsyncAPI document; the same for the life of a process."""
    events = published()
    names = [message_name(event) for event in events]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Guildhall events",
            "version": "1",
            "description": "Every change is an event, written in the transaction that makes the change, and delivered at "
            "least once: readers resume by position and handle an event that comes twice like one that came once. Kinds "
            "are a closed vocabulary; a payload that changes gets a new version.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "tenant": {
                "host": "{host}",
                "protocol": "wss",
                "description": "A tenant's own host.",
                "variables": {"host": {"description": "The tenant's host name.", "default": "acme.example.com"}},
            }
        },
        "channels": _channels(names),
        "operations": _operations(),
        "components": {
            "messages": {message_name(event): _message(event) for event in events}
            | {
                "after": _plain("after", "Sent by the page: the last position that it has seen, or null.", AFTER),
                "announcement": _plain(
                    "announcement", "What changed; the page fetches what it shows of it, as it may.", ANNOUNCEMENT
                ),
            },
            "schemas": {"Envelope": ENVELOPE, **{message_name(event): payload_schema(event) for event in events}},
        },
    }


def _channels(names: list[str]) -> dict[str, Any]:
    return {
        "stream": {
            "address": "stream",
            "title": "A tenant's stream of events",
            "description": "In position order. Durable consumers inside the platform read it; each position is handled, "
            "waits for its next try, or is kept as a dead letter.",
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        },
        "portal": {
            "address": "/ws/portal/",
            "title": "Announcements to open pages",
            "description": "Positions, kinds and subjects without data. A socket may lose messages; it catches up by "
            "position when it connects again.",
            "servers": [{"$ref": "#/servers/tenant"}],
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in ("after", "announcement")},
        },
    }


def _operations() -> dict[str, Any]:
    return {
        "deliver": {
            "action": "send",
            "channel": {"$ref": "#/channels/stream"},
            "summary": "Hand an event to a durable consumer.",
            "description": "Consumers: " + ", ".join(_consumers()) + ".",
        },
        "resume": {
            "action": "receive",
            "channel": {"$ref": "#/channels/portal"},
            "summary": "Say from where on to be told.",
            "messages": [{"$ref": "#/channels/portal/messages/after"}],
        },
        "announce": {
            "action": "send",
            "channel": {"$ref": "#/channels/portal"},
            "summary": "Tell a page what changed.",
            "messages": [{"$ref": "#/channels/portal/messages/announcement"}],
        },
    }


def _consumers(kind: str = "") -> list[str]:
    """Names of the release's consumers; of those that read `kind` where given."""
    consumers = registered_consumers().values()
    found = (one.name for one in consumers if not kind or kind in one.kinds)
    return sorted(name for name in found if not name.startswith(TESTS))


def _message(event: type[Event]) -> dict[str, Any]:
    name, example = message_name(event), example_of(event)
    said = inspect.getdoc(event) if event.__doc__ != Event.__doc__ else ""
    readers = _consumers(event.kind)
    words = [(said or "").replace("\n", " "), f"Read by {', '.join(readers)}." if readers else ""]
    return {
        "name": name,
        "title": f"{event.kind} (version {event.version})",
        "summary": f"For people: “{example.sentence()}”.",
        **({"description": " ".join(filter(None, words))} if any(words) else {}),
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/Envelope"},
                {
                    "type": "object",
                    "properties": {
                        "kind": {"const": event.kind},
                        "version": {"const": event.version},
                        "data": {"$ref": f"#/components/schemas/{name}"},
                    },
                },
            ]
        },
        "examples": [{"name": "example", "summary": example.sentence(), "payload": _enveloped(example)}],
    }


def _enveloped(event: Event) -> dict[str, Any]:
    return {
        "position": 1204,
        "kind": event.kind,
        "version": event.version,
        "subject": event.subject,
        "at": "2026-11-21T09:30:00+00:00",
        "actor": {"ref": "agent:mason", "kind": "agent", "id": "mason", "name": "Mason", "roles": ["developer"]},
        "operation_id": "8f0f1b52-6a3e-4b0e-9a51-0d8a2f0c7f11",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "data": event.model_dump(mode="json"),
    }


def _plain(name: str, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "title": name.capitalize(), "summary": summary, "payload": schema}


def as_json() -> str:
    """The document as JSON."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


@cache
def as_yaml() -> str:
    """The document as YAML, keys in the order of the document, no anchors; written once in the life of a process."""
    text: str = yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
    return text


class _Plain(yaml.CSafeDumper):
    """Repeats what occurs twice instead of pointing at it. In C: a tenth of the time."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
