"""Reading a policy from YAML, with errors that name the line. Pure; no Django.

A policy is written by people and read by the server, so it is read warily: plain mappings, lists and scalars only, no
anchors (a few lines of them can stand for gigabytes), no tags, no key twice, and of a bounded size and depth.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import yaml
from pydantic import ValidationError

from governance.policies.document import PolicyDocument

MAX_CHARS = 100_000
MAX_NODES = 10_000
MAX_DEPTH = 12
MAX_PROBLEMS = 50
_ODD_BREAKS = re.compile("[\x85\u2028\u2029]")
_SAID = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "int_type": "give a whole number",
    "bool_type": "give true or false",
    "string_type": "give text; put it in quotes if it looks like a number",
    "list_type": "give a list",
    "dict_type": "give names with their values",
    "model_type": "give names with their values",
}

Place = tuple[str | int, ...]


class PolicyError(ValueError):
    """A policy text that is not a policy. `problems` holds (line, message), lines counted from 1."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"line {line}: {message}" for line, message in problems))
        self.problems = problems


def decode_policy(raw: bytes) -> str:
    """The text of a policy that came as bytes. Raises `PolicyError` with the line where it stops being UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PolicyError([(line, "this is not UTF-8 text")]) from None


def one_ending(text: str) -> str:
    """The text with plain line ends, as it is kept: browsers send what they were shown with others."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_policy(text: str, *, tools: Callable[[str], str] | None = None) -> PolicyDocument:
    """The policy in `text` (YAML). Raises `PolicyError` with the line of every problem.

    `tools` says what is wrong with a tool's name, "" for a good one. Only what people propose is asked about it: a policy in
    force stays readable when a tool goes.
    """
    document, reader = _read(one_ending(text))
    if tools is not None:
        _refuse_unknown_tools(document, reader, tools)
    return document


@lru_cache(32)
def _read(text: str) -> tuple[PolicyDocument, "_Reader"]:
    """The policy and where each part of it stands. Most of a text's readers come one after the other; nobody changes it."""
    _refuse_oversize(text)
    try:
        _refuse_tricks(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise PolicyError([(mark.line + 1 if mark else 1, error.problem or "this is not YAML")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise PolicyError([(line, "this character may not stand in a policy")]) from None
    if root is None:
        raise PolicyError([(1, "the policy is empty")])
    reader = _Reader()
    data = reader.value(root, ())
    try:
        document = PolicyDocument.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        problems = [(reader.line(e["loc"]), f"{_named(e['loc'])}: {_SAID.get(e['type'], e['msg'])}") for e in found]
        raise PolicyError(sorted(set(problems))[:MAX_PROBLEMS]) from None
    return document, reader


def _refuse_unknown_tools(document: PolicyDocument, reader: "_Reader", unknown: Callable[[str], str]) -> None:
    problems = [
        (reader.line(("tools", role, index)), f"tools.{role}.{index}: {said}")
        for role, names in document.tools.items()
        for index, name in enumerate(names)
        if (said := unknown(name))
    ]
    if problems:
        raise PolicyError(sorted(problems)[:MAX_PROBLEMS])


def _refuse_oversize(text: str) -> None:
    if len(text) > MAX_CHARS:
        line = text.count("\n", 0, MAX_CHARS) + 1
        raise PolicyError([(line, f"a policy has at most {MAX_CHARS:,} characters; this one has {len(text):,}")])
    if odd := _ODD_BREAKS.search(text):
        raise PolicyError([(text.count("\n", 0, odd.start()) + 1, "this line break may not stand in a policy")])


def _refuse_tricks(text: str) -> None:
    """Look at the stream of events before anything is built from it."""
    nodes = depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise PolicyError(
                [(line, "anchors and aliases (& and *) may not be used; write it out, or put it in quotes")]
            )
        if getattr(event, "tag", None):
            raise PolicyError([(line, "tags (!) may not be used; put it in quotes if it is text")])
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise PolicyError([(line, f"this is nested deeper than {MAX_DEPTH} levels")])
        if nodes > MAX_NODES:
            raise PolicyError([(line, f"a policy has at most {MAX_NODES:,} values")])


class _Reader:
    """Builds plain values from nodes and remembers the line of each."""

    def __init__(self) -> None:
        self._scalars = yaml.constructor.SafeConstructor()
        self._lines: dict[Place, int] = {}

    def value(self, node: yaml.Node, place: Place) -> Any:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*place, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return dict(self._entry(key, child, place) for key, child in node.value)
        return self._scalar(node)

    def _entry(self, key: yaml.Node, child: yaml.Node, place: Place) -> tuple[Any, Any]:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise PolicyError([(line, "a name is one word, not a list or a mapping")])
        name = self._scalar(key)
        inner = (*place, str(name))
        if inner in self._lines:
            raise PolicyError([(line, f"{key.value} is given twice")])
        self._lines[inner] = line
        if isinstance(name, int):
            # The schema calls `yes` and `no` by their numbers when they stand where a name should.
            self._lines.setdefault((*place, int(name)), line)
        return name, self.value(child, inner)

    def _scalar(self, node: yaml.Node) -> Any:
        line = node.start_mark.line + 1
        try:
            found = self._scalars.construct_object(node)
            # Python reads longer numbers in hexadecimal than it writes in decimal, and what is wrong is told in text.
            str(found)
            return found
        except yaml.MarkedYAMLError as error:
            raise PolicyError([(line, error.problem or "this is not understood")]) from None
        except (ValueError, OverflowError):
            raise PolicyError([(line, "this is neither a number nor a date that exists; put it in quotes")]) from None

    def line(self, location: Place) -> int:
        """The line of what is at `location`, or of the nearest thing around it that is there."""
        known = tuple(part for part in location if part != "[key]")
        while known not in self._lines:
            known = known[:-1]
        return self._lines[known]


def _named(location: Place) -> str:
    return ".".join(str(part) for part in location if part != "[key]") or "policy"
