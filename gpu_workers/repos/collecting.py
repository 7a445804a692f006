"""What a process says while it runs: taken as it comes, within bounds, and no longer than it is wanted."""

from __future__ import annotations

import os
import selectors
import subprocess
from contextlib import suppress
from time import monotonic

from gpu_workers.repos.stopping import GitStopped, refuse_stopped

PIECE = 1024 * 1024
MAX_WORDS = 64 * 1024
"""Bytes that are kept of what git says about a failure."""
LOOK_S = 0.25
"""How often it is asked whether git is still to go on: what is over by then is never stopped."""


class TooMuchSaid(Exception):
    """More bytes came than are taken."""


def lent(data: bytes | None) -> int:
    """What git reads, open as a file in memory: nobody has to feed a pipe while its answer is read."""
    if data is None:
        return os.open(os.devnull, os.O_RDONLY)
    fd = os.memfd_create("git-input")
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def collected(running: subprocess.Popen[bytes], most: int, seconds: float, *, stops: bool) -> tuple[bytes, bytes]:
    """All of standard output and the end of the complaints. Raises TooMuchSaid, TimeoutExpired and GitStopped."""
    output, said = bytearray(), bytearray()
    look, until = monotonic() + LOOK_S, monotonic() + seconds
    with selectors.DefaultSelector() as open_ends:
        for end, kept in ((running.stdout, output), (running.stderr, said)):
            if end is not None:
                open_ends.register(end, selectors.EVENT_READ, kept)
        while open_ends.get_map():
            ready = open_ends.select(max(0.0, min(look, until) - monotonic()))
            if monotonic() >= look:
                look = monotonic() + LOOK_S
                if stops:
                    _look(running)
            if not ready and monotonic() >= until:
                raise subprocess.TimeoutExpired(running.args, seconds)
            for key, _ in ready:
                piece = os.read(key.fd, PIECE)
                if not piece:
                    open_ends.unregister(key.fileobj)
                elif key.data is output:
                    output += piece
                    if len(output) > most:
                        raise TooMuchSaid
                else:
                    said += piece
                    del said[:-MAX_WORDS]
    return bytes(output), bytes(said)


def _look(running: subprocess.Popen[bytes]) -> None:
    """Raises GitStopped where it is to go no further. git has a moment to end by itself, and takes its locks away then."""
    try:
        refuse_stopped()
    except GitStopped:
        running.terminate()
        with suppress(subprocess.TimeoutExpired):
            running.wait(LOOK_S)
        raise
