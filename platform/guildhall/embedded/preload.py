"""A process that has imported everything and becomes services: `python -m guildhall.embedded.preload SOCKET MODULE...`.

Most services are the same Django. Importing it takes each of them seconds of processor time; forked from here, they share
one import and its memory. What must not be shared over a fork is not here: it has one thread, has opened no connection,
and knows no login but the application's. A login of its own reaches a service with the request to become it.

It serves its parent alone (`forking.fork`), and a service is its parent's child, not its own: it may end at any time.
"""

import gc
import json
import os
import runpy
import socket
import struct
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from guildhall.embedded import guard, roles
from guildhall.kernel.loading import collector_at_rest

MESSAGE_BYTES = 1024**2


def peer(connection: socket.socket) -> tuple[int, int]:
    """Process and user id of the other end of a unix socket."""
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


def main(path: Path, modules: Sequence[str]) -> None:
    with collector_at_rest():
        for name in modules:
            import_module(name)
    if (threads := len(os.listdir("/proc/self/task"))) != 1:
        sys.exit(f"an import started threads ({threads} are there): nothing can be forked from here")
    gc.collect()
    gc.freeze()  # the collector would write to, and so copy, every page that services share
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(path))
        server.listen()
        while True:
            connection, _ = server.accept()
            with connection:
                request = connection.recv(MESSAGE_BYTES) if peer(connection)[0] == os.getppid() else b""
                if request and _in_a_grandchild():
                    server.close()
                    return _become(connection, json.loads(request))


def _in_a_grandchild() -> bool:
    """Fork twice: False here; True in a process that the parent of this one has adopted."""
    adopter = os.getppid()
    if middle := os.fork():
        os.waitpid(middle, 0)
        return False
    middle = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == middle:
        time.sleep(0.001)
    if os.getppid() != adopter:
        os._exit(1)
    return True


def _become(connection: socket.socket, request: dict[str, Any]) -> None:
    guard.die_with(os.getppid(), request["death_signal"])
    os.setsid()
    connection.send(str(os.getpid()).encode())
    if not connection.recv(1):
        return  # given up meanwhile
    connection.close()
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    if "django.conf" in sys.modules:  # its settings have read the environment before
        for name in roles.PRIVILEGED:
            setattr(sys.modules["django.conf"].settings, name, os.environ.get(name, ""))
    sys.argv = request["arguments"]
    guard.rename(request["name"])
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
