"""Output of commands on its way to people, as it comes."""

from __future__ import annotations

from collections.abc import Callable

from guildhall.kernel.redaction import RedactedStream


def redacting(on_output: Callable[[bytes], None] | None) -> tuple[Callable[[bytes], None] | None, Callable[[], None]]:
    """A listener that hands on what is certain to hold no secret, and a function that hands on what is left at the end."""
    if on_output is None:
        return None, lambda: None
    stream = RedactedStream()

    def hand_on(text: str) -> None:
        if text:
            on_output(text.encode())

    return lambda chunk: hand_on(stream.feed(chunk)), lambda: hand_on(stream.finish())
