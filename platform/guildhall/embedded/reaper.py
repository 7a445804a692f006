"""The supervisor's last will: a small process that ends what is left of its children when it was killed.

`python -I -S reaper.py` reads "+GROUP" and "-GROUP" lines (process group ids). When the pipe closes, however it comes,
leaders of groups still listed get a while to end (they were told when the supervisor died); the rest is killed.
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


def _leader_lives(group: int) -> bool:
    """Whether the group's first process is there and not a zombie that nobody has collected."""
    try:
        with open(f"/proc/{group}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(group)
    deadline = time.monotonic() + GRACE_SECONDS
    while groups and time.monotonic() < deadline:
        for group in [group for group in groups if not _leader_lives(group)]:
            _kill(group)  # the leader has ended: what it left behind has nobody to end it
            groups.discard(group)
        time.sleep(POLL_SECONDS)
    for group in groups:
        _kill(group)


if __name__ == "__main__":
    main()
