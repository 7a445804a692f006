"""What must be true of this machine before anything is started; every problem names its fix."""

import os
import shutil
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gpu_workers.sandbox import SandboxSettings, WallKind, sandbox_available

OLDEST_PYTHON = (3, 11)
FREE_BYTES = 2 * 1024**3


def problems(*, port: int | None, folders: Sequence[Path]) -> list[str]:
    """One sentence per problem, each with what to do; empty when all is well. `port` None is not looked at."""
    found = [_python(), _git(), _sandbox(), *map(_disk, dict.fromkeys(folders))]
    if port is not None:
        found.append(_port(port))
    return [problem for problem in found if problem]


def _python() -> str | None:
    if sys.version_info >= OLDEST_PYTHON:
        return None
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return f"Python {sys.version.split()[0]} is too old: install Python {wanted} or newer and run `make PYTHON=… up`."


def _git() -> str | None:
    return None if shutil.which("git") else "git is not installed: install it (Debian: apt-get install git)."


def _sandbox() -> str | None:
    name = sandbox_wanted()
    if name not in list(WallKind):
        return f"GUILDHALL_SANDBOX is {name!r}: set it to {' or '.join(WallKind)}, or leave it out."
    wanted = SandboxSettings(walls=WallKind(name), image=os.environ.get("GUILDHALL_SANDBOX_IMAGE", ""))
    if images := os.environ.get("GUILDHALL_SANDBOX_IMAGES"):
        wanted = replace(wanted, images=Path(images))
    reason = sandbox_available(wanted)
    return f"Agents' work cannot be sandboxed on this machine: {reason}" if reason else None


def sandbox_wanted() -> str:
    """What is to isolate the commands of agents and of CI."""
    return os.environ.get("GUILDHALL_SANDBOX") or WallKind.BUBBLEWRAP


def _disk(folder: Path) -> str | None:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free >= FREE_BYTES:
        return None
    return f"{existing} has {free / 1024**3:.1f} GiB free: make room for at least {FREE_BYTES // 1024**3} GiB."


def _port(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return f"Port {port} needs more rights than this user has: choose another, `make up PORT=8001`."
        except OSError:
            return f"Port {port} is taken by another program: choose another, `make up PORT={port + 1}`."
    return None
