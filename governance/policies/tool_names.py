"""Which names of tools a policy may give. The tools themselves are of a higher room, which registers their names."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import yaml

_sources: list[Callable[[], Iterable[str]]] = []


def register_tool_names(source: Callable[[], Iterable[str]]) -> None:
    """Let every policy name the tools that `source` gives, asked anew each time."""
    _sources.append(source)


def known_tool_names() -> frozenset[str]:
    """Registered tools, and those of the shipped policy: their names are kept for them where a tool is not installed."""
    return _shipped().union(*(source() for source in _sources))


def unknown_tool(name: str) -> str:
    """What people read about a name that no tool has; "" for one that is known."""
    known = known_tool_names()
    if name in known:
        return ""
    near = get_close_matches(name, sorted(known), 1)
    return f"there is no tool {name!r}" + (f"; is {near[0]!r} meant?" if near else "")


@cache
def _shipped() -> frozenset[str]:
    text = (Path(__file__).parent / "default.yaml").read_text(encoding="utf-8")
    tools: dict[str, list[str]] = yaml.safe_load(text)["tools"]
    return frozenset(name for names in tools.values() for name in names)
