"""The reader of a streamed answer: what an engine sends is data, and is taken only as far as it answers what was asked.

No Django.
"""

import math
from functools import cached_property
from typing import Any, TypeGuard

from gateway.chat import Answer, Request
from guildhall.kernel.texts import storable

MOST_CALLS = 128
SPARE_TOKENS = 16
"""What an engine may count beyond what it was allowed: some look for the end only after every few tokens."""
LONGEST_TOKEN = 64
"""Characters that a token has at most, on average: no vocabulary comes near it, but for runs of blanks."""
SPARE_CHARACTERS = 4096
LONGEST_WORD = 200
"""Of a finish reason, the id of a call and the name of its tool."""


class NoCompletion(ValueError):
    """What came is no part of a completion, or more than was asked for; the message says what is wrong."""


class Reader:
    """Fills `answer` with what an engine says to `request`."""

    def __init__(self, request: Request, answer: Answer) -> None:
        self._request, self._answer = request, answer
        self._room = SPARE_CHARACTERS + LONGEST_TOKEN * request.max_tokens

    def read(self, chunk: object) -> list[str]:
        """The pieces of text that a chunk adds, "" for a piece of a call. Raises `NoCompletion`."""
        pieces = [piece for choice in _rows(chunk, "choices") for piece in self._choice(choice)]
        if (told := _of(chunk, "usage")) is not None:
            # A count that cannot be is none: the call is charged by its size then.
            self._answer.usage = self._believable(told)
        return pieces

    def _believable(self, told: object) -> tuple[int, int, int] | None:
        read, written = _of(told, "prompt_tokens"), _of(told, "completion_tokens")
        cached = _of(_of(told, "prompt_tokens_details"), "cached_tokens") or 0
        if not (_whole(read) and _whole(written) and _whole(cached)):
            return None
        fits = 0 < read <= self._prompt_bound and written <= self._request.max_tokens + SPARE_TOKENS
        return (read, written, min(cached, read)) if fits and written >= self._fewest() else None

    def _fewest(self) -> int:
        """What came so far has at least so many tokens; runs of blanks may be one each."""
        said = [self._answer.text, *(call["name"] + call["arguments"] for call in self._answer.tool_calls)]
        return math.ceil(sum(len(word) for text in said for word in text.split()) / LONGEST_TOKEN)

    @cached_property
    def _prompt_bound(self) -> int:
        return self._request.prompt_bound()

    def _choice(self, choice: object) -> list[str]:
        delta = _of(choice, "delta")
        if delta is None:
            raise NoCompletion("a choice in it has no delta")
        reason = _word(choice, "finish_reason")
        self._logprobs(choice)
        said = self._taken(_text(delta, "content"))
        self._answer.text += said
        pieces = [said] if said else []
        for part in _rows(delta, "tool_calls"):
            self._call(part)
            pieces.append("")
        self._answer.finish_reason = reason or self._answer.finish_reason
        return pieces

    def _logprobs(self, choice: object) -> None:
        kept = self._answer.logprobs
        for token in _rows(_of(choice, "logprobs"), "content"):
            value = _of(token, "logprob")
            if _logarithm(value) and len(kept) < self._request.max_tokens:
                kept.append(value)

    def _call(self, part: object) -> None:
        index, calls = _of(part, "index"), self._answer.tool_calls
        if not _whole(index) or index >= MOST_CALLS:
            raise NoCompletion(f"a call in it has no index from 0 to {MOST_CALLS - 1}")
        while len(calls) <= index:
            calls.append({"id": "", "name": "", "arguments": ""})
        call, function = calls[index], _of(part, "function")
        call["id"] = _word(part, "id") or call["id"]
        call["name"] = (call["name"] + _text(function, "name"))[:LONGEST_WORD]
        call["arguments"] += self._taken(_text(function, "arguments"))

    def _taken(self, said: str) -> str:
        self._room -= len(said)
        if self._room < 0:
            raise NoCompletion(f"it says more than {self._request.max_tokens} tokens can hold")
        return said


def _of(thing: object, name: str) -> Any:
    """What `thing` has under `name`; None too where it is no object at all."""
    return thing.get(name) if isinstance(thing, dict) else None


def _whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number of at least 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _logarithm(value: object) -> TypeGuard[float]:
    """Whether it may be one of a probability: engines say a very low number where it is 0, and come a little above 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e6 <= value <= 1


def _text(thing: object, name: str) -> str:
    value = _of(thing, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NoCompletion(f"its {name} is no text")
    return value


def _word(thing: object, name: str) -> str:
    return storable(_text(thing, name))[:LONGEST_WORD]


def _rows(thing: object, name: str) -> list[object]:
    value = _of(thing, name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise NoCompletion(f"its {name} are no list")
    return value
