"""The supervisor's last will: a small process that ends what is left of its children when it was killed.

`python -I -S reaper.py` reads "+GROUP" and "-GROUP" lines (process group ids). When the pipe closes, however it comes,
groups that are still listed get a while to end by themselves (they were told when the supervisor died), then SIGKILL.
Standard library only; run by path.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import IO

GRACE_SECONDS = 8.0
POLL_SECONDS = 0.05


class Reaper:
    """The supervisor's end of the pipe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, cwd="/", start_new_session=True
        )
        if self._process.stdin is None:
            raise RuntimeError("the reaper has no pipe")
        self._pipe: IO[bytes] = self._process.stdin

    @property
    def pid(self) -> int:
        """Process id of the reaper."""
        return self._process.pid

    def watch(self, group: int) -> None:
        """Answer for this process group from now on."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group has ended."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Let it finish; whatever is still listed is ended."""
        with suppress(BrokenPipeError):
            self._pipe.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        with suppress(BrokenPipeError):
            self._pipe.write(line.encode())
            self._pipe.flush()


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(group)
    deadline = time.monotonic() + GRACE_SECONDS
    while groups and time.monotonic() < deadline:
        groups = {group for group in groups if _exists(group)}
        time.sleep(POLL_SECONDS)
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
