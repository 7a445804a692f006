"""Output of a command on its way into its run's log: put together to few rows, and bounded by what the run may write.

How much one command hands on is the sandbox's to bound (`SandboxLimits.live`); what it hands on is redacted by then.
"""

import time
from collections.abc import Callable, Iterator

ROW = 4_000
"""Characters of a row."""
RUN_ROWS = 2_000
"""Rows of one run; past them each command writes one more."""
GAP_S = 1.0
"""Seconds between rows that are not full, as long as a command has written few of them."""
SLOWER = 60
"""After so many rows of a command the gap doubles, each time: what talks for hours is looked at less often."""
HELD = 1_024
"""Characters that wait at the end of a line that goes on, so that no row ends within what a pattern would find."""
LEFT_OUT = "[… {count} characters left out …]\n"


class LiveLog:
    """One command's listener. `keep` stores rows, `mask` takes out of a text what the policy's patterns find in it, `room`
    tells how many rows the run has left, and is asked once, when there is something to keep."""

    def __init__(
        self,
        keep: Callable[[list[str]], None],
        mask: Callable[[str], str],
        room: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep, self._mask, self._ask_room, self._clock = keep, mask, room, clock
        self._waiting, self._tail = "", ""
        self._rows = self._over = 0
        self._due, self._room = clock(), -1

    def __call__(self, piece: bytes) -> None:
        """Hear some more, redacted; nothing where the command was silent for a moment."""
        self._waiting += piece.decode("utf-8", "replace")
        if self._waiting and (len(self._waiting) > ROW or self._clock() >= self._due):
            self._hand_on(over=False)

    def close(self) -> None:
        """The command has ended: keep what waits, and say how much was left out."""
        if self._waiting:
            self._hand_on(over=True)
        left_out = self._over - len(self._tail)
        if self._tail:
            self._keep([(LEFT_OUT.format(count=left_out) if left_out else "") + self._tail])

    def _hand_on(self, *, over: bool) -> None:
        text, due = self._mask(self._waiting), self._clock() >= self._due
        end = len(text) if over else text.rfind("\n") + 1 or max(len(text) - HELD, 0)
        rows, self._waiting = list(_rows(text[:end])), text[end:]
        if rows and not (over or due):
            self._waiting = rows.pop() + self._waiting
        if self._room < 0:
            self._room = max(self._ask_room(), 0)
        kept, more = rows[: self._room], "".join(rows[self._room :])
        self._over += len(more)
        self._tail = (self._tail + more)[-ROW:]
        if kept:
            self._keep(kept)
            self._room -= len(kept)
            self._rows += len(kept)
        self._due = self._clock() + GAP_S * 2 ** (self._rows // SLOWER)


def _rows(text: str) -> Iterator[str]:
    """All of `text`, cut where lines end, as far as they end in time."""
    while text:
        end = len(text) if len(text) <= ROW else text.rfind("\n", 0, ROW) + 1 or ROW
        yield text[:end]
        text = text[end:]
