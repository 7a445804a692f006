"""Starting and ending the programs of the embedded default so that none of them outlives its parent."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO, Protocol

from guildhall.embedded import guard
from guildhall.embedded.users import ServiceUser

POLL_SECONDS = 0.02
OURS: set[int] = set()
"""Process ids of the children that this process has asked for, and that somebody in it waits for."""


class EmbeddedError(RuntimeError):
    """An embedded service cannot be prepared or started; the message says what to do about it."""


class Process(Protocol):
    """A child: what `subprocess.Popen` and `forking.Forked` have in common."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int, /) -> None: ...


def spawn(
    command: Sequence[str],
    *,
    log: Path | None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: ServiceUser | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, as `user` (None: this one), writing to `log` (None: inherited).

    It gets `death_signal` when the thread that called this ends, however it ends: call it from the main thread.
    """
    program = shutil.which(command[0])
    if program is None:
        raise EmbeddedError(f"{command[0]} is not an executable program")
    uid, gid = (user.uid, user.gid) if user else (guard.KEEP, guard.KEEP)
    arguments = [str(os.getpid()), str(int(death_signal)), str(uid), str(gid), program, *command[1:]]
    with nullcontext() if log is None else _appending(log) as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            cwd=cwd or "/",
            start_new_session=True,
        )
    OURS.add(process.pid)
    return process


def _appending(log: Path) -> IO[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab")


def signal_group(process: Process, signal_number: signal.Signals) -> None:
    """Send a signal to the process's whole group; a group that is gone is no error."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal_number)


def end(
    process: subprocess.Popen[bytes], *, stop_signal: signal.Signals = signal.SIGTERM, timeout: float = 10.0
) -> None:
    """Stop a spawned process: its stop signal, then after `timeout` seconds SIGKILL to everything left of its group."""
    if process.poll() is None:
        process.send_signal(stop_signal)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
    signal_group(process, signal.SIGKILL)
    process.wait()


def wait_until(
    ready: Callable[[], bool], *, process: subprocess.Popen[bytes], what: str, log: Path, timeout: float
) -> None:
    """Return once `ready()`; raises `EmbeddedError` with the log's end when the process ends or time runs out."""
    deadline = time.monotonic() + timeout
    while not ready():
        if process.poll() is not None:
            raise EmbeddedError(f"{what} ended with status {process.returncode} at start.\n{tail(log)}")
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{what} is not ready after {timeout:.0f} s.\n{tail(log)}")
        time.sleep(POLL_SECONDS)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file, under its name; the name alone when there is none."""
    text = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    return "\n".join([f"Log: {log}", *text])


def free_port() -> int:
    """A loopback TCP port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
