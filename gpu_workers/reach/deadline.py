"""Carrying something out that may wait for others: within its time, and no longer than the run wants it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
LOOK_S = 0.2
END_S = 5.0


class TooLong(RuntimeError):
    """It was given up; the message says why."""


def within(work: Coroutine[Any, Any, T], seconds: float, cancel: threading.Event | None) -> T:
    """The result of `work`, which is given up after `seconds` or when `cancel` is set. Raises TooLong."""
    return asyncio.run(_watched(work, seconds, cancel))


async def _watched(work: Coroutine[Any, Any, T], seconds: float, cancel: threading.Event | None) -> T:
    loop = asyncio.get_running_loop()
    task, until = asyncio.ensure_future(work), loop.time() + seconds
    try:
        while not task.done():
            if cancel is not None and cancel.is_set():
                raise TooLong("The run was stopped.")
            if loop.time() > until:
                raise TooLong(f"It did not end within {seconds:.0f} seconds.")
            await asyncio.wait({task}, timeout=LOOK_S)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=END_S)
