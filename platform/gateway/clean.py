"""No secret goes to a model, and none that one says goes any further; nor does a character that nothing could keep."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.chat import Request
from gateway.wire import OnDelta
from guildhall.kernel.redaction import RedactedStream, redact, redact_data
from guildhall.kernel.texts import StorableStream, Unreadable, read_json, storable


def clean_text(text: str) -> str:
    """A text without secrets that can be kept. Characters that cannot are marked first, so that none hides a secret."""
    return redact(storable(text))


def clean_request(request: Request) -> Request:
    """The request without secrets, in messages, tools and the form that is asked for."""
    return replace(
        request,
        messages=redact_data(request.messages, clean_text),
        tools=redact_data(request.tools, clean_text),
        schema=redact_data(request.schema, clean_text),
    )


def clean_calls(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A model's tool calls without secrets; arguments that are JSON stay JSON."""
    return [
        {name: _clean_json(said) if name == "arguments" else clean_text(said) for name, said in call.items()}
        for call in calls
    ]


def clean_deltas(on_delta: OnDelta | None) -> tuple[OnDelta | None, Callable[[], None]]:
    """A listener that is told only what holds no secret and can be kept, and what to call at the end for the rest."""
    if on_delta is None:
        return None, lambda: None
    whole, stream = StorableStream(), RedactedStream(by_words=True)

    def tell(text: str) -> None:
        if text:
            on_delta(text)

    def finish() -> None:
        tell(stream.feed(whole.finish()) + stream.finish())

    return lambda piece: tell(stream.feed(whole.feed(piece))), finish


def _clean_json(said: str) -> str:
    text = storable(said)
    try:
        value = read_json(text)
    except Unreadable:
        return redact(text)
    clean = redact_data(value)
    return text if clean == value else json.dumps(clean, ensure_ascii=False)
