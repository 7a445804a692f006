"""Example payloads of events, made from their schemas: a value for each field that reads as in real life."""

from typing import Any

from guildhall.kernel.events import Event

SAID = {
    "about": "task:SHOP-142.3",
    "action": "submit",
    "actor": "person:4f1c",
    "agent": "mason",
    "amount": "0.4000000000",
    "approval": "approval:17",
    "approver": "person:4f1c",
    "assignee": "agent:mason",
    "author": "agent:mason",
    "binding_hash": "9f2b6c",
    "commit_sha": "3f1a9c27d0",
    "consumer": "workflows.rollup",
    "cost": "0.0021000000",
    "decision": "approved",
    "diff_hash": "c0ffee42",
    "feedback": "The answer leaves out the return period.",
    "goal": "Customers find answers without writing to us",
    "head_sha": "3f1a9c27d0",
    "holder": "agent:mason",
    "host": "acme.example.com",
    "implementer": "agent:mason",
    "key": "SHOP",
    "limit": "50.0000000000",
    "merged_sha": "81be77a2f4",
    "model": "local-small",
    "name": "Shop",
    "new_sha": "81be77a2f4",
    "old_sha": "3f1a9c27d0",
    "owner": "run:318",
    "person": "person:4f1c",
    "phase": "implement",
    "problem": "ValueError",
    "project": "SHOP",
    "reason": "It was asked for twice.",
    "rejected_sha": "",
    "reserved": "0.0100000000",
    "reverted_sha": "81be77a2f4",
    "risk": "low",
    "role": "developer",
    "schema_name": "org_acme",
    "sha": "3f1a9c27d0",
    "slug": "acme",
    "spent": "41.2000000000",
    "story": "SHOP-142",
    "task": "SHOP-142.3",
    "title": "Answer returns",
    "until": "2026-11-21T12:00:00+00:00",
    "valid_from": "2026-11-21T00:00:00+00:00",
    "window": "month",
}
SUBJECTS = {
    "planning.story": "story:SHOP-142",
    "planning.task": "task:SHOP-142.3",
    "planning.tasks": "story:SHOP-142",
    "workflow.": "task:SHOP-142.3",
    "agent.run": "run:318",
    "agent.": "agent:mason",
    "delivery.change": "change:12",
    "governance.approval": "approval:17",
    "deliberation.": "council:4",
    "stream.": "consumer:workflows.rollup",
    "identity.": "person:4f1c",
    "tenancy.": "tenant:acme",
}
PLAIN: dict[str, Any] = {"string": "text", "integer": 3, "number": 1.5, "boolean": True, "object": {}, "null": None}


def example_of(event: type[Event]) -> Event:
    """One event of the class. Raises ValueError (pydantic's) when the class needs an `example` of its own."""
    schema = event.model_json_schema()
    given = {name: sample(name, about, schema) for name, about in schema["properties"].items() if name != "subject"}
    return event.model_validate({"subject": _subject(event), **given, **event.example})


def _subject(event: type[Event]) -> str:
    found = (subject for start, subject in SUBJECTS.items() if event.kind.startswith(start))
    area, thing, *_ = [*event.kind.split("."), ""]
    return next(found, f"{thing or area}:1")


def sample(name: str, about: dict[str, Any], schema: dict[str, Any]) -> Any:
    """A value that fits `about`, a part of the JSON `schema`; known names get a value that reads well."""
    if "default" in about:
        return about["default"]
    if "enum" in about or "const" in about:
        return about.get("const", [*about.get("enum", []), None][0])
    if "$ref" in about:
        inner = schema["$defs"][about["$ref"].rpartition("/")[2]]
        return {part: sample(part, said, schema) for part, said in inner.get("properties", {}).items()}
    if "anyOf" in about:
        return sample(name, about["anyOf"][0], schema)
    if about.get("type") == "array":
        return [sample(name.removesuffix("s"), about.get("items", {"type": "string"}), schema)]
    if about.get("type") == "string":
        return SAID.get(name, PLAIN["string"])
    return PLAIN.get(str(about.get("type")), {})
