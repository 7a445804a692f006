"""Output of a command: kept up to a size, first and last part, with a mark where something is missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

MARK = "\n[… {count} bytes left out …]\n"


class CappedOutput:
    """Keeps the first and the last half of `limit` bytes; hands the first `limit` bytes on as they come."""

    def __init__(self, limit: int, on_output: Callable[[bytes], None] | None) -> None:
        self._half = max(1, limit // 2)
        self._limit = limit
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._on_output = on_output
        self.total = 0

    def add(self, chunk: bytes) -> None:
        if self._on_output is not None and self.total < self._limit:
            self._on_output(chunk[: self._limit - self.total])
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

    @property
    def truncated(self) -> bool:
        return self.total > 2 * self._half

    def text(self) -> str:
        tail = b"".join(self._tail)[-self._half :]
        mark = MARK.format(count=self.total - len(self._head) - len(tail)) if self.truncated else ""
        return self._head.decode("utf-8", "replace") + mark + tail.decode("utf-8", "replace")
