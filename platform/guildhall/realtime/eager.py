"""Running a coroutine here and now, for as long as it does not wait.

A thousand sockets are a thousand sends, and almost none of them has to wait: a task for each would cost more than the send.
"""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


def begun(coroutine: Coroutine[Any, None, None]) -> asyncio.Task[None] | None:
    """Run `coroutine` until it first waits; the task of its rest, None when it is done. Raises what it raised."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    return asyncio.get_running_loop().create_task(_finished(coroutine, waits_for))


async def _finished(coroutine: Coroutine[Any, None, None], waits_for: Any) -> None:
    await _Rest(coroutine, waits_for)


class _Rest:
    """Waits for what a coroutine was about to wait for, and then goes on where it stopped."""

    def __init__(self, coroutine: Coroutine[Any, None, None], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, None, None]:
        try:
            yield self._waits_for
        except BaseException:
            self._coroutine.close()
            raise
        yield from self._coroutine.__await__()
