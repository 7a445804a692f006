"""Services that are forked from the preloaded process (`preload`), and adopted by this one."""

import ctypes
import json
import os
import select
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guildhall.embedded import preload
from guildhall.embedded.process import OURS
from guildhall.embedded.service import Service

PR_SET_CHILD_SUBREAPER = 36
ANSWER_SECONDS = 5.0


class Forked:
    """A child that another process has made for this one; the part of `subprocess.Popen` that a supervisor uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""
        descriptor = os.pidfd_open(self.pid) if self.poll() is None else None
        if descriptor is not None:
            select.select([descriptor], [], [], timeout)
            os.close(descriptor)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def fork(service: Service, preloaded: Path) -> Forked:
    """`service` as a fork of the process that listens at `preloaded`. Raises `OSError` when that cannot be had.

    Call it from a process that adopts (`adopting`), on its main thread: it is the one whose end the service follows.
    """
    with _connected(preloaded) as connection:
        connection.send(json.dumps(_request(service)).encode())
        answer = connection.recv(64)
        if not answer:
            raise ConnectionError("the preloaded process has not forked")
        OURS.add(pid := int(answer))
        connection.send(b"!")
    return Forked(pid)


def is_up(preloaded: Path) -> bool:
    """Whether the preloaded process has imported everything."""
    try:
        _connected(preloaded).close()
    except OSError:
        return False
    return True


def _request(service: Service) -> dict[str, object]:
    return {
        "name": service.name,
        "arguments": list(service.command[2:]),  # after the interpreter and -m
        "env": dict(service.env),
        "cwd": str(service.cwd),
        "log": str(service.log),
        "death_signal": int(service.stop_signal),
    }


def _connected(preloaded: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(str(preloaded))
        if preload.peer(connection)[1] != os.geteuid():
            raise ConnectionError("somebody else listens where the preloaded process should")
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def adopting() -> Iterator[None]:
    """Be the parent of every descendant whose own parent ends, as process 1 otherwise is."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def bury_strangers() -> None:
    """Collect adopted processes that have ended; children that this process made itself are left to whoever waits."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in OURS:
            return
        os.waitpid(ended.si_pid, 0)
