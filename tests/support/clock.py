"""The clock of this process's event loops, which a test lets run ahead instead of waiting."""

import asyncio
import threading
import time

import pytest


class Clock:
    """What event loops take for the time, in which limits of calls run out. Everybody else's clock stays as it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead, self._left, self._when = 0.0, 0.0, threading.Event()
        monkeypatch.setattr(asyncio.BaseEventLoop, "time", lambda _: self._now())

    def forward(self, seconds: float) -> None:
        """Let so much pass at once."""
        self._ahead += seconds

    def skip(self, seconds: float, *, when: threading.Event) -> None:
        """Let so much pass once `when` is set: a second at each look, so that a wait that just begins is not missed."""
        self._left, self._when = seconds, when

    def _now(self) -> float:
        if self._left > 0 and self._when.is_set():
            self._left -= 1
            self._ahead += 1
        return time.monotonic() + self._ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)
