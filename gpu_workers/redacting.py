"""Output of commands on its way to people, as it comes."""

from __future__ import annotations

from collections.abc import Callable

from guildhall.kernel.redaction import RedactedStream


def redacting(on_output: Callable[[bytes], None] | None) -> tuple[Callable[[bytes], None] | None, Callable[[], None]]:
    """A listener that hands on what is certain to hold no secret, and a function that hands on what is left at the end.

    Of each piece something is handed on, if only that there is nothing yet.
    """
    if on_output is None:
        return None, lambda: None
    stream = RedactedStream()

    return lambda chunk: on_output(stream.feed(chunk).encode()), lambda: on_output(stream.finish().encode())
