"""A run's step in words: what the agent was told, with what it called, and what it got, as the journal keeps them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gpu_workers.models import RunStep
from guildhall.kernel.texts import Unreadable, read_json

BRIEF_CHARS = 2_000
"""How much of one text is shown inside of the run's page; the step's own page has all of it."""
BRIEF_PARTS = 12
SPEAKERS = {"system": "Instructions", "user": "Told", "assistant": "The model before", "tool": "A tool’s answer"}


@dataclass(frozen=True, slots=True)
class Part:
    """One text of a step under its name; `left_out` counts the characters that are not shown."""

    name: str
    text: str
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ShownStep:
    """What went in and what came out; `earlier` counts the parts of what went in that are not shown."""

    given: list[Part]
    got: list[Part]
    given_title: str
    got_title: str
    earlier: int = 0

    @property
    def cut(self) -> bool:
        """Whether there is more of it than is shown."""
        return bool(self.earlier) or any(part.left_out for part in (*self.given, *self.got))


def shown_step(step: RunStep, *, whole: bool) -> ShownStep:
    """The step for a page: all of it, or as much as fits among others, of a long conversation its end.

    What is put aside while it is under way is for whoever goes on with it, and nothing that came of it yet.
    """
    given = list(_told(step.request) if step.kind == "model" else _named(_called(step)))
    came = (step.response or {}) if step.finished_at else {}
    got = list(_answered(step.response) if step.kind == "model" else _named(came))
    titles = {"model": ("What the model was told", "What it answered"), "tool": ("Called with", "What came back")}
    given_title, got_title = titles.get(step.kind, ("What it was about", "What came of it"))
    if whole:
        return ShownStep(given, got, given_title, got_title)
    earlier = max(0, len(given) - BRIEF_PARTS)
    return ShownStep(
        [_brief(one) for one in given[earlier:]], [_brief(one) for one in got], given_title, got_title, earlier
    )


def _brief(part: Part) -> Part:
    return Part(part.name, part.text[:BRIEF_CHARS], max(0, len(part.text) - BRIEF_CHARS))


def _called(step: RunStep) -> dict[str, Any]:
    """A tool's arguments, each by its name, and what else the call was bound to."""
    arguments = step.request.get("arguments")
    rest = {name: value for name, value in step.request.items() if name != "arguments"}
    return {**arguments, **rest} if isinstance(arguments, dict) else step.request


def _told(request: dict[str, Any]) -> Iterator[Part]:
    for message in request.get("messages") or []:
        name = SPEAKERS.get(str(message.get("role")), str(message.get("role")))
        if text := message.get("content"):
            yield Part(name, _text(text))
        for call in message.get("tool_calls") or []:
            yield _call(call.get("function") or {}, "called before")
    if schema := request.get("schema"):
        yield Part("The form that its answer had to have", _text(schema))


def _answered(response: dict[str, Any] | None) -> Iterator[Part]:
    if response is None:
        return
    if text := response.get("text"):
        yield Part("It said", _text(text))
    for call in response.get("tool_calls") or []:
        yield _call(call, "calls")
    about = [str(response[name]) for name in ("model", "finish_reason", "cut") if response.get(name)]
    if about:
        yield Part("By", ", ".join(about))


def _call(call: dict[str, Any], how: str) -> Part:
    """A call as a model spells it: its arguments are a text of JSON, or of something that was to be."""
    arguments = call.get("arguments")
    try:
        found = read_json(arguments) if isinstance(arguments, str) else arguments
    except Unreadable:
        found = arguments
    return Part(f"It {how} {call.get('name', '')}".strip(), _text(found))


def _named(values: dict[str, Any]) -> Iterator[Part]:
    for name, value in values.items():
        if value not in (None, "", [], {}):
            yield Part(name.replace("_", " "), _text(value))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, indent=2, ensure_ascii=False)
