"""No secret goes to a model, and none that one says goes any further."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.wire import OnDelta, Request
from guildhall.kernel.redaction import RedactedStream, redact, redact_data


def clean_request(request: Request) -> Request:
    """The request without secrets, in messages, tools and the form that is asked for."""
    return replace(
        request,
        messages=redact_data(request.messages),
        tools=redact_data(request.tools),
        schema=redact_data(request.schema),
    )


def clean_calls(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A model's tool calls without secrets; arguments that are JSON stay JSON."""
    return [{**call, "arguments": _clean_json(str(call.get("arguments") or ""))} for call in calls]


def clean_deltas(on_delta: OnDelta | None) -> tuple[OnDelta | None, Callable[[], None]]:
    """A listener that is told only what holds no secret, and what to call at the end for the rest."""
    if on_delta is None:
        return None, lambda: None
    stream = RedactedStream(by_words=True)

    def tell(text: str) -> None:
        if text:
            on_delta(text)

    return lambda piece: tell(stream.feed(piece)), lambda: tell(stream.finish())


def _clean_json(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return redact(text)
    clean = redact_data(value)
    return text if clean == value else json.dumps(clean, ensure_ascii=False)
