"""A command that was started: what every kind of walls gives back, and how it is ended."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from gpu_workers.sandbox.command import KilledBy, SandboxCommand
from gpu_workers.sandbox.held import Held

START_S = 10.0
REPORT = 4096


@dataclass(frozen=True, slots=True)
class Running:
    """A started command. `first` is a pidfd of the first process of a namespace of processes that holds all of it, `pid` its
    id, -1 where there was none to be found any more.

    That process ends only after all others of the namespace: the kernel waits for them. `info` is where the walls report,
    `heard` what they had reported when it was started. `name` is what the walls know it by.
    """

    process: subprocess.Popen[bytes]
    first: int
    pid: int
    info: int
    heard: bytes
    name: str = ""

    def reported(self) -> bytes:
        """All that the walls have reported up to now."""
        os.set_blocking(self.info, False)
        with suppress(BlockingIOError):
            return self.heard + os.read(self.info, REPORT)
        return self.heard

    def end(self) -> None:
        """End everything, and return only when nothing of it can write any more."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.first >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.first, signal.SIGKILL)
            with selectors.DefaultSelector() as selector:
                selector.register(self.first, selectors.EVENT_READ)
                selector.select(START_S)
            os.close(self.first)


class Walls(Protocol):
    """What differs between ways to isolate a command: how it is started, what is known of it, and what stays behind.

    How it is watched, limited in time, disk and output, and ended is the same.
    """

    name: str

    def advice(self) -> str:
        """What to do on a host where the trial failed."""
        ...

    @contextmanager
    def started(self, command: SandboxCommand) -> Iterator[Running]:
        """The running command; afterwards, once it was ended, nothing of it is left on the host.

        Raises SandboxUnavailable, and runs nothing, where it cannot be.
        """
        ...

    def overgrown(self, running: Running, command: SandboxCommand, held: Held) -> KilledBy | None:
        """Which limit on its processes together it has broken."""
        ...

    def ended_by(self, running: Running, command: SandboxCommand, exit_code: int, said: str) -> KilledBy | None:
        """The limit that ended it, once it has ended. Raises SandboxUnavailable, with what was said, where it never began."""
        ...


def memory_file(content: bytes, stack: ExitStack) -> int:
    """A file without a name that is at its beginning."""
    fd = os.memfd_create("guildhall-sandbox", 0)
    stack.callback(os.close, fd)
    with open(fd, "wb", closefd=False) as stream:
        stream.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def running_of(process: subprocess.Popen[bytes], info: int, name: str = "") -> Running:
    """The started command whose first process is reported as `child-pid` on `info`."""
    heard = b""
    with selectors.DefaultSelector() as selector:
        selector.register(info, selectors.EVENT_READ)
        while b"}" not in heard and selector.select(START_S):
            chunk = os.read(info, REPORT)
            if not chunk:
                break
            heard += chunk
    try:
        pid = int(json.loads(heard.partition(b"}")[0] + b"}")["child-pid"])
        return Running(process, os.pidfd_open(pid), pid, info, heard, name)
    except (ValueError, KeyError, OSError):
        return Running(process, -1, -1, info, heard, name)
