"""Ports for servers that have to be told one: nobody knows that it is still free when they come to listen there."""

import random
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import SIGINT

import psutil

from guildhall.embedded.postgres import EmbeddedPostgres
from guildhall.embedded.process import end, free_port, spawn, tail
from tests.support.processes import until

TRIES = 3
HANDED_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")


def listening(start: Callable[[int], subprocess.Popen[bytes]], *, log: Path) -> int:
    """The port that a server made by `start` listens on; another one where somebody else was faster."""
    for _ in range(TRIES):
        port = free_port()
        if _listens(start(port), port):
            return port
    raise AssertionError(f"No server came to listen on any of {TRIES} ports.\n{tail(log)}")


def listening_postgres(folder: Path, stack: ExitStack) -> int:
    """The port of a PostgreSQL in `folder` that asks for passwords; it is ended with `stack`."""
    server = EmbeddedPostgres(folder, durable=False)
    server.prepare()

    def start(port: int) -> subprocess.Popen[bytes]:
        command = [*server.command(), "-c", "listen_addresses=127.0.0.1", "-c", f"port={port}"]
        process = spawn(command, log=server.log, user=server.user, death_signal=SIGINT)
        stack.callback(end, process, stop_signal=SIGINT)
        return process

    return listening(start, log=server.log)


def quiet_port() -> int:
    """A free port that the system gives to nobody by itself: for a server that is told it long before, and again later."""
    first, last = map(int, HANDED_OUT.read_text().split())
    found = [port for port in range(10_000, 65_536) if not first <= port <= last] or range(first, last + 1)
    return next(port for port in random.sample(found, len(found)) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it came to listen there itself, and did not end before."""

    def is_there() -> bool:
        with suppress(psutil.Error):
            found = psutil.Process(process.pid).net_connections("tcp")
            return any((one.status, one.laddr.port) == (psutil.CONN_LISTEN, port) for one in found)
        return False

    until(lambda: process.poll() is not None or is_there(), what=f"a server on port {port}")
    return process.poll() is None
