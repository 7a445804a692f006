"""Walls of a container engine: podman, its monitor and the container in namespaces of one command.

An engine keeps containers, and a monitor for each that outlives whoever asked. Here the engine is the first process of a
namespace of processes that ends with the worker's thread, and all that it keeps lies in a file system of that command alone.
So the kernel ends and forgets it all at once, whoever is killed. A killed worker leaves empty control groups, until the next
command.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path

from gpu_workers.sandbox.cgroups import (
    fresh_group,
    memory_ran_out,
    memory_was_full,
    remove_group,
    remove_left_groups,
)
from gpu_workers.sandbox.command import KilledBy, SandboxCommand, SandboxSettings, SandboxUnavailable
from gpu_workers.sandbox.filtering import call_filter
from gpu_workers.sandbox.held import Held
from gpu_workers.sandbox.host import SYSTEM_PATH, find_helper
from gpu_workers.sandbox.podman import BEGAN, command_line, configuration, storage
from gpu_workers.sandbox.running import Running, running_of

FOLDER = Path("/run/guildhall-engine")
"""Where each command's file system is mounted, in its own namespace alone; outside it stays empty."""
NAMESPACES = ("--pid", "--fork", "--kill-child", "--mount", "--ipc", "--propagation", "private")
RUNTIMES = ("runc", "crun")
KILLED = 128 + signal.SIGKILL
ADVICE = "Install podman with runc, or leave GUILDHALL_SANDBOX unset for bubblewrap."


class ContainerEngine:
    """Runs each command by `podman run`, in an image of the owner's or with the host's system shown read-only."""

    name = "podman"

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings

    def advice(self) -> str:
        if not self._settings.image:
            return ADVICE
        return (
            f"The image {self._settings.image} has to be in {self._settings.images}, with sh, python3 and git. {ADVICE}"
        )

    @contextmanager
    def started(self, command: SandboxCommand) -> Iterator[Running]:
        words = self._words(command, group := fresh_group())
        remove_left_groups()
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        with ExitStack() as stack:
            stack.callback(remove_group, group)
            info_read, info_write = os.pipe()
            stack.callback(os.close, info_read)
            try:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=info_write,
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
            finally:
                os.close(info_write)
            yield running_of(process, info_read, group)

    def _words(self, command: SandboxCommand, group: str) -> list[str]:
        if command.root is not None:
            raise SandboxUnavailable("What is root inside runs under bubblewrap alone.")
        if os.geteuid() != 0 or self._settings.uid == 0:
            raise SandboxUnavailable(f"podman's containers need Guildhall to be started by root. {ADVICE}")
        words = [find_helper("setpriv"), "--pdeathsig", "KILL", find_helper("unshare"), *NAMESPACES, "--"]
        words += ["/bin/sh", "-c", _namespaces(), "sh", str(FOLDER)]
        words += [configuration(), storage(self._settings, FOLDER), call_filter()]
        return [*words, *command_line(*find_engine(), self._settings, command, FOLDER, group)]

    def overgrown(self, running: Running, command: SandboxCommand, held: Held) -> KilledBy | None:
        """Whether the kernel had to end a process for want of memory: the others go with it."""
        return KilledBy.MEMORY if memory_ran_out(running.name) else None

    def ended_by(self, running: Running, command: SandboxCommand, exit_code: int, said: str) -> KilledBy | None:
        reported = running.reported()
        if BEGAN.encode() not in reported:
            early = b"" if running.first >= 0 else reported
            why = " ".join(f"{early.decode('utf-8', 'replace')} {said}".split())[-400:] or f"exit status {exit_code}"
            raise SandboxUnavailable(f"podman did not run the command ({why}). {self.advice()}")
        full = exit_code == KILLED and memory_was_full(running.name, command.limits.memory)
        return KilledBy.MEMORY if full or memory_ran_out(running.name) else None


@cache
def find_engine() -> tuple[str, str]:
    """The engine, and what it makes containers with. Raises SandboxUnavailable, naming what is missing."""
    podman = shutil.which("podman", path=SYSTEM_PATH)
    runtime = next(filter(None, (shutil.which(name, path=SYSTEM_PATH) for name in RUNTIMES)), None)
    if podman is None or runtime is None:
        raise SandboxUnavailable(f"{'podman' if podman is None else 'runc'} is not installed. {ADVICE}")
    return podman, runtime


@cache
def _namespaces() -> str:
    return (files("gpu_workers.sandbox") / "engine.sh").read_text(encoding="utf-8")
