"""Output of a command: kept, and handed on as it comes, up to a size each, with a mark where something is missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

WORD = 4096
"""Bytes at most that are left out beside a cut, so that no half of a secret stays that nobody knows for one."""
MARK = "\n[… {count} bytes left out …]\n"


class CappedOutput:
    """Keeps the first and the last half of `limit` bytes; hands the first `live` bytes on as they come."""

    def __init__(self, limit: int, live: int, on_output: Callable[[bytes], None] | None) -> None:
        self._half = max(1, limit // 2)
        self._live, self._handed_on = live, 0
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._on_output = on_output
        self.total = 0

    def add(self, chunk: bytes) -> None:
        if self.total < self._live:
            room = self._live - self.total
            self._hand_on(chunk if len(chunk) <= room else _whole_words(chunk[:room]))
        self.total += len(chunk)
        room = self._half - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        if chunk:
            self._tail.append(chunk)
            self._tail_size += len(chunk)
            while self._tail_size - len(self._tail[0]) >= self._half:
                self._tail_size -= len(self._tail.popleft())

    def pause(self) -> None:
        """Nothing more is said at the moment: who listens may hand on what it has."""
        if self._on_output is not None and self._handed_on:
            self._on_output(b"")

    def end(self) -> None:
        """No more comes: say how much was not handed on."""
        if self.total > self._handed_on:
            self._hand_on(MARK.format(count=self.total - self._handed_on).encode())

    def _hand_on(self, chunk: bytes) -> None:
        if self._on_output is not None:
            self._on_output(chunk)
            self._handed_on += len(chunk)

    @property
    def truncated(self) -> bool:
        return self.total > 2 * self._half

    def text(self) -> str:
        head, tail = bytes(self._head), b"".join(self._tail)[-self._half :]
        mark = ""
        if self.truncated:
            head, tail = _whole_words(head), _whole_words(tail[::-1])[::-1]
            mark = MARK.format(count=self.total - len(head) - len(tail))
        return head.decode("utf-8", "replace") + mark + tail.decode("utf-8", "replace")


def _whole_words(text: bytes) -> bytes:
    """`text` without the word that its end cuts."""
    place = max(text.rfind(space) for space in (b" ", b"\n", b"\t"))
    return text[: place + 1] if place >= len(text) - WORD else text[:-WORD]
