"""YAML of a repository as data: read with bounds on its size and on what its aliases would make of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader as Plain
else:
    Plain = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_ODD = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
_SIXTIES = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class Loader(Plain):
    """Plain data alone, by the parser in C where there is one. Dates, times of day and ratios such as 22:30 stay texts."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in rules if tag not in _ODD]
    for first, rules in Plain.yaml_implicit_resolvers.items()
}


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    if len(node.value) > MAX_DIGITS:
        raise YamlError(f"it has a number of more than {MAX_DIGITS} digits")
    made = {"int": yaml.SafeLoader.construct_yaml_int, "float": yaml.SafeLoader.construct_yaml_float}
    return node.value if ":" in node.value else made[node.tag.rpartition(":")[2]](loader, node)


for _tag in _SIXTIES:
    Loader.add_constructor(_tag, _number)
MAX_TEXT = 256 * 1024
MAX_NODES = 50_000
"""Nodes of one file, counted as often as aliases repeat them."""
MAX_DEPTH = 60
MAX_DIGITS = 1000
"""Python writes no number of more than 4300 digits, and a hexadecimal one has fewer than that."""


class YamlError(ValueError):
    """It cannot be read; the message says why."""


def documents(text: str) -> list[Any]:
    """The documents of a file; empty ones are left out. Raises YamlError."""
    if len(text) > MAX_TEXT:
        raise YamlError(f"it is larger than {MAX_TEXT} characters")
    try:
        _weigh(text)
        return [one for one in yaml.load_all(text, Loader=Loader) if one is not None]
    except yaml.YAMLError as wrong:
        mark = getattr(wrong, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise YamlError(f"it is no YAML{where}: {str(getattr(wrong, 'problem', wrong))[:200]}") from wrong
    except (ValueError, RecursionError, OverflowError) as wrong:
        raise YamlError(f"it cannot be read: {str(wrong)[:200]}") from wrong


def _weigh(text: str) -> None:
    """Refuse, before anything is built, what would be built out of a few lines into a great deal."""
    sizes: dict[str | None, int] = {}
    open_: list[tuple[str, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor or "", total))
            total += 1
            if len(open_) > MAX_DEPTH:
                raise YamlError("it is nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise YamlError(f"{str(event.anchor)[:60]!r} is part of itself or nothing at all")
            total += sizes[event.anchor]
        if total > MAX_NODES:
            raise YamlError(f"it has more than {MAX_NODES} parts")


def mapping(value: Any) -> dict[str, Any]:
    """`value` as a mapping with names for keys; an empty one for anything else."""
    return {str(key): inside for key, inside in value.items()} if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """`value` as a list; an empty one for anything else."""
    return list(value) if isinstance(value, list) else []
