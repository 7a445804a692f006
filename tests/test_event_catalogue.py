"""The catalogue of events: the committed one is the code's, it is a whole AsyncAPI document, and no payload changes silently."""

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import yaml
from jsonschema import Draft202012Validator

from guildhall.kernel.events import Event, load_event, vocabulary
from guildhall.streams.catalogue import as_json, as_yaml, digest, digests, document, message_name, published
from guildhall.streams.management.commands.event_catalogue import CATALOGUE, LOCK, changed_payloads

pytestmark = pytest.mark.unit
MAKE = "make it anew: `python manage.py event_catalogue`"
MESSAGE_FIELDS = {"name", "title", "summary", "description", "payload", "examples"}


def test_the_committed_catalogue_is_the_codes() -> None:
    made = as_yaml()
    assert CATALOGUE.read_text() == made, MAKE
    assert yaml.load(made, yaml.CSafeLoader) == json.loads(as_json())  # the same in C: a tenth of the time


def test_no_payload_changed_under_its_version_and_none_is_gone() -> None:
    locked = json.loads(LOCK.read_text())
    assert changed_payloads(locked, digests()) == []
    assert locked == digests(), MAKE


def test_a_changed_payload_is_refused_until_it_has_a_version_of_its_own() -> None:
    class Before(Event):
        story: str

    class Reworded(Event):
        """Said better."""

        story: str

    class After(Event):
        story: str
        weight: int = 0

    assert digest(Before) == digest(Reworded)
    locked = {"a.b.v1": digest(Before), "a.c.v1": "x"}
    (gone, other) = changed_payloads(locked, {"a.b.v1": digest(After)})
    assert "a.c.v1 is gone" in gone
    assert "a.b.v1 has another payload" in other
    assert changed_payloads({"a.b.v1": digest(Before)}, {"a.b.v1": digest(Before), "a.b.v2": digest(After)}) == []


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(target := value.get("$ref"), str):
            yield target
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_document_is_whole() -> None:
    """The rules of AsyncAPI 3.0 that a document of this shape can break."""
    made = document()
    assert made["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= made["info"].keys()
    for target in references(made):
        found: Any = made
        for step in target.removeprefix("#/").split("/"):
            found = found[step]
    channels, operations = made["channels"], made["operations"]
    for channel in channels.values():
        assert channel["address"]
        assert channel["messages"]
    for operation in operations.values():
        assert operation["action"] in ("send", "receive")
        name = operation["channel"]["$ref"].removeprefix("#/channels/")
        inside = {f"#/channels/{name}/messages/{message}" for message in channels[name]["messages"]}
        assert {message["$ref"] for message in operation.get("messages", [])} <= inside
    assert all(message.keys() <= MESSAGE_FIELDS for message in made["components"]["messages"].values())
    assert set(channels["stream"]["messages"]) == {message_name(event) for event in published()}


def test_every_event_says_what_it_is_and_its_example_fits() -> None:
    made = document()
    for event in published():
        schema = made["components"]["schemas"][message_name(event)]
        Draft202012Validator.check_schema(schema)
        (example,) = made["components"]["messages"][message_name(event)]["examples"]
        told = load_event(event.kind, event.version, example["payload"]["data"])
        assert example["summary"] == told.sentence()
        assert event.kind not in told.sentence(), f"{event.kind} has no sentence for people"
        whole = {"components": made["components"], "$ref": f"#/components/schemas/{message_name(event)}"}
        Draft202012Validator(whole).validate(example["payload"]["data"])
        Draft202012Validator(made["components"]["schemas"]["Envelope"]).validate(example["payload"])


def test_the_vocabulary_is_closed() -> None:
    for (kind, version), event in vocabulary().items():
        assert (event.kind, event.version) == (kind, version)
        assert event.model_config["extra"] == "forbid"
        assert event.model_config["frozen"]

    class Known(Event):
        kind: ClassVar[str] = "test.catalogue.known"

    with pytest.raises(TypeError, match="defined twice"):

        class Other(Event):
            kind: ClassVar[str] = "test.catalogue.known"
