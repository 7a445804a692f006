"""Running one command inside of walls and watching over it until nothing of it is left."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

from gpu_workers.sandbox.bubblewrap import Bubblewrap
from gpu_workers.sandbox.command import (
    KilledBy,
    SandboxCommand,
    SandboxLimits,
    SandboxResult,
    SandboxSettings,
    SandboxUnavailable,
    WallKind,
)
from gpu_workers.sandbox.engine import ContainerEngine
from gpu_workers.sandbox.held import look
from gpu_workers.sandbox.host import SYSTEM_PATH, drops_user
from gpu_workers.sandbox.output import CappedOutput
from gpu_workers.sandbox.running import Running, Walls
from gpu_workers.sandbox.trying import HOLDS
from gpu_workers.sandbox.workspace import Room, prepare_workspace, room_in, usage

TICK_S = 0.05
WATCH_S = 0.25
CPU_EXIT = 128 + signal.SIGXCPU

OnOutput = Callable[[bytes], None]


class Sandbox:
    """Runs commands as the settings say. Safe to share between threads."""

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        self.settings = settings or SandboxSettings()

    @property
    def owner(self) -> tuple[int, int] | None:
        """User and group that files for the sandbox must belong to; None where that is this process's user."""
        return (self.settings.uid, self.settings.gid) if drops_user(self.settings) else None

    def prepare_workspace(self, path: Path) -> Path:
        return prepare_workspace(path, self.settings)

    @property
    def shows_host(self) -> bool:
        """Whether the system that commands find is this machine's, and not that of an image."""
        return not self.settings.image

    @property
    def can_be_root(self) -> bool:
        """Whether a command can be root inside: in a namespace of users, which bubblewrap makes."""
        return self.settings.walls is WallKind.BUBBLEWRAP

    def program(self, name: str) -> str | None:
        """Where commands find a program of the system; None where it has none. Raises SandboxUnavailable."""
        return shutil.which(name, path=SYSTEM_PATH) if self.shows_host else _program_of(self.settings, name)

    def unavailable(self) -> str | None:
        """None where commands can run, else the reason, in words for a person."""
        return sandbox_available(self.settings)

    def run(
        self, command: SandboxCommand, on_output: OnOutput | None = None, cancel: threading.Event | None = None
    ) -> SandboxResult:
        """Run to the end, a limit, or `cancel`; the whole process group is gone on return.

        Raises SandboxUnavailable, and runs nothing, where the sandbox cannot be used.
        """
        reason = self.unavailable()
        if reason is not None:
            raise SandboxUnavailable(reason)
        return _run(walls_of(self.settings), command, on_output, cancel)


def walls_of(settings: SandboxSettings) -> Walls:
    """What the settings say isolates commands."""
    return ContainerEngine(settings) if settings.walls is WallKind.PODMAN else Bubblewrap(settings)


def sandbox_available(settings: SandboxSettings | None = None) -> str | None:
    """None where a trial command ran isolated on this host, else the reason. Tried until it did, and then no more."""
    try:
        _prove(settings or SandboxSettings())
    except (OSError, SandboxUnavailable) as problem:
        return str(problem)
    return None


@cache
def _prove(settings: SandboxSettings) -> None:
    """Raises OSError and SandboxUnavailable where no command can be isolated: the disk may be full for now alone."""
    walls = walls_of(settings)
    words = ["python3", "-I", "-c", (files("gpu_workers.sandbox") / "trying.py").read_text(encoding="utf-8")]
    result = _tried(settings, words)
    if not result.ok or result.output.strip() != HOLDS:
        said = result.output.strip()[-400:] or f"exit status {result.exit_code}"
        raise SandboxUnavailable(f"{walls.name} cannot isolate commands on this host ({said}). {walls.advice()}")


@cache
def _program_of(settings: SandboxSettings, name: str) -> str | None:
    """Asked of the image once per process: the owner brings another one under another name. Raises SandboxUnavailable.

    The shell ends well either way, so that an end by a limit is no answer.
    """
    result = _tried(settings, ["/bin/sh", "-c", 'command -v "$1" || true', "sh", name])
    if not result.ok:
        said = result.output.strip()[-400:] or f"exit status {result.exit_code}"
        raise SandboxUnavailable(f"The image could not be asked for {name} ({said}).")
    return result.output.strip() or None


def _tried(settings: SandboxSettings, words: list[str]) -> SandboxResult:
    """What becomes of a command in an empty folder of its own."""
    with tempfile.TemporaryDirectory(prefix="guildhall-sandbox-", dir=settings.runtime) as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - the sandboxed user has to pass it
        workspace = prepare_workspace(Path(folder) / "trial", settings)
        command = SandboxCommand(words, workspace, limits=SandboxLimits(wall_s=20.0))
        return _run(walls_of(settings), command, None, None)


def _run(
    walls: Walls, command: SandboxCommand, on_output: OnOutput | None, cancel: threading.Event | None
) -> SandboxResult:
    started = time.monotonic()
    output = CappedOutput(command.limits.output, command.limits.live, on_output)
    room = room_in(command.workspace, command.limits)
    with walls.started(command) as running, running.process as process:
        try:
            killed_by = _watch(walls, running, command, room, output, started, cancel)
            output.end()
        finally:
            running.end()
        exit_code: int = process.returncode
        killed_by = killed_by or walls.ended_by(running, command, exit_code, output.text())
    if killed_by is None and exit_code == CPU_EXIT:
        killed_by = KilledBy.CPU
    if killed_by is None:
        killed_by = _over_disk(command, room)
    return SandboxResult(
        exit_code=None if killed_by else exit_code,
        output=output.text(),
        truncated=output.truncated,
        timed_out=killed_by in (KilledBy.WALL, KilledBy.CPU),
        killed_by=killed_by,
        duration_s=time.monotonic() - started,
    )


def _watch(
    walls: Walls,
    running: Running,
    command: SandboxCommand,
    room: Room,
    output: CappedOutput,
    started: float,
    cancel: threading.Event | None,
) -> KilledBy | None:
    """Collect output until the command has ended and closed it; returns the limit that it broke, if any."""
    process = running.process
    assert process.stdout is not None
    stream = process.stdout.fileno()
    os.set_blocking(stream, False)
    next_look = started + WATCH_S
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if selector.select(TICK_S):
                chunk = os.read(stream, 65536)
                if not chunk:
                    break
                output.add(chunk)
            else:
                output.pause()
            now = time.monotonic()
            if cancel is not None and cancel.is_set():
                return KilledBy.CANCEL
            if now - started > command.limits.wall_s:
                return KilledBy.WALL
            if output.total > command.limits.most_output:
                return KilledBy.OUTPUT
            if now >= next_look:
                held = look(process.pid, command.limits.memory)
                broken = walls.overgrown(running, command, held) or _over_disk(command, room, held.disk)
                if broken:
                    return broken
                # Walking a big workspace may take long: never spend more than a tenth of the time on it.
                next_look = time.monotonic() + max(WATCH_S, 10 * (time.monotonic() - now))
    try:
        process.wait(max(TICK_S, started + command.limits.wall_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        return KilledBy.WALL
    return None


def _over_disk(command: SandboxCommand, room: Room, nameless: int = 0) -> KilledBy | None:
    size, entries = usage(command.workspace, room.entries)
    return KilledBy.DISK if size + nameless > room.size or entries > room.entries else None
