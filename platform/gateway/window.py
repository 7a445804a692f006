"""Whether a request fits a model's window, judged by its size before any money is set aside. No Django."""

import json
from dataclasses import replace

from gateway.chat import Request
from guildhall.kernel.errors import TooLarge

BYTES_PER_TOKEN = 4
"""What tokenizers make of ordinary text and code. It is an estimate: a server counts for itself, and may still refuse."""
LEAST_ANSWER = 64


def fitted(request: Request, window: int, model: str) -> Request:
    """`request`, its answer shortened to what the window of `window` tokens leaves, down to a quarter of what it asks.

    Raises `TooLarge` when less is left than that, or than 64 tokens: such an answer would be of no use.
    """
    asked = prompt_tokens(request)
    room = window - asked
    if room >= request.max_tokens:
        return request
    if room < max(LEAST_ANSWER, request.max_tokens // 4):
        raise TooLarge(
            f"About {asked:,} tokens and an answer of up to {request.max_tokens:,} do not fit {model}, which reads and "
            f"writes {window:,} together. Ask for less, or name a model with a larger window.",
            window=window,
            prompt=asked,
        )
    return replace(request, max_tokens=room)


def prompt_tokens(request: Request) -> int:
    """About how many tokens the prompt has: its text, and the tools that are printed into it."""
    text = sum(len(json.dumps(message, ensure_ascii=False).encode()) for message in request.messages)
    offered = len(json.dumps(request.tools)) if request.tools else 0
    return -(-(text + offered) // BYTES_PER_TOKEN)
