"""Run inside of the sandbox before it is trusted: says what does not hold there, or that all does.

It uses the standard library alone and is given to the interpreter as text.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import sys
from pathlib import Path

NEW_USER = 0x10000000
HOLDS = "walls hold"


def missing() -> list[str]:
    """What a command could do here and must not, or lacks."""
    status = dict(line.partition(":\t")[::2] for line in Path("/proc/self/status").read_text().splitlines())
    found = []
    if int(status["CapBnd"], 16) or int(status["CapEff"], 16) or status["NoNewPrivs"] != "1":
        found.append("commands could get privileges")
    if ctypes.CDLL(None).unshare(NEW_USER) == 0:
        found.append("commands can make namespaces")
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        found.append("commands have a network")
    if any(not _read_only(place) for place in ("/", "/usr")):
        found.append("the system can be written to")
    if shutil.which("git") is None:
        found.append("there is no git")
    return found


def _read_only(place: str) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)


if __name__ == "__main__":
    sys.stdout.write("; ".join(missing()) or HOLDS)
