"""Running one command under bubblewrap and watching over it until nothing of it is left."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from gpu_workers.sandbox.bwrap import bwrap_arguments, command_line
from gpu_workers.sandbox.command import (
    KilledBy,
    RootInside,
    SandboxCommand,
    SandboxLimits,
    SandboxResult,
    SandboxSettings,
    SandboxUnavailable,
)
from gpu_workers.sandbox.host import drops_user, namespace_fix
from gpu_workers.sandbox.mapping import map_ids
from gpu_workers.sandbox.output import CappedOutput
from gpu_workers.sandbox.workspace import prepare_workspace, usage

TICK_S = 0.05
WATCH_S = 0.25
START_S = 10.0
OUTPUT_FACTOR = 16
CPU_EXIT = 128 + signal.SIGXCPU
PASSWD = b"agent:x:%d:%d:agent:/tmp:/bin/sh\n"
PASSWD_ROOT = b"root:x:0:0:root:/tmp:/bin/sh\n"

OnOutput = Callable[[bytes], None]


class Sandbox:
    """Runs commands under bubblewrap as the settings say. Safe to share between threads."""

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        self.settings = settings or SandboxSettings()

    @property
    def owner(self) -> tuple[int, int] | None:
        """User and group that files for the sandbox must belong to; None where that is this process's user."""
        return (self.settings.uid, self.settings.gid) if drops_user(self.settings) else None

    def prepare_workspace(self, path: Path) -> Path:
        return prepare_workspace(path, self.settings)

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
        return _run(self.settings, command, on_output, cancel)


@cache
def sandbox_available(settings: SandboxSettings | None = None) -> str | None:
    """None where a trial command ran isolated on this host, else the reason. Asked once per process."""
    settings = settings or SandboxSettings()
    trial = "python3 -c 'print(6 * 7)' && ! unshare --user true 2>/dev/null"
    try:
        with tempfile.TemporaryDirectory(prefix="guildhall-sandbox-", dir=settings.runtime) as folder:
            os.chmod(folder, 0o755)  # noqa: S103 - the sandboxed user has to pass it
            workspace = prepare_workspace(Path(folder) / "trial", settings)
            result = _run(settings, SandboxCommand(trial, workspace, limits=SandboxLimits(wall_s=20.0)), None, None)
    except (OSError, SandboxUnavailable) as problem:
        return str(problem)
    if result.ok and result.output.strip() == "42":
        return None
    said = result.output.strip()[-400:] or f"exit status {result.exit_code}"
    return f"bubblewrap cannot isolate commands on this host ({said}). {namespace_fix()}"


def _memory_file(content: bytes, stack: ExitStack) -> int:
    fd = os.memfd_create("guildhall-sandbox", 0)
    stack.callback(os.close, fd)
    with open(fd, "wb", closefd=False) as stream:
        stream.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


@dataclass(frozen=True, slots=True)
class _Running:
    """A started command. `first` is a pidfd of the first process inside, `pid` its id, -1 where bubblewrap got no further.

    That process ends only after all others inside: the kernel waits for them.
    """

    process: subprocess.Popen[bytes]
    first: int
    pid: int


def _start(settings: SandboxSettings, command: SandboxCommand) -> _Running:
    uid, gid = (settings.uid, settings.gid) if drops_user(settings) else (os.geteuid(), os.getegid())
    with ExitStack() as stack:
        passwd_fd = _memory_file(PASSWD_ROOT if command.root else PASSWD % (uid, gid), stack)
        (info_read, info_write), (mapped_read, mapped_write) = os.pipe(), os.pipe()
        stack.callback(os.close, info_read)
        stack.callback(os.close, mapped_write)
        with ExitStack() as ours:
            ours.callback(os.close, info_write)
            ours.callback(os.close, mapped_read)
            words = bwrap_arguments(settings, command, passwd_fd, info_write, mapped_read)
            arguments_fd = _memory_file(b"\0".join(os.fsencode(word) for word in words) + b"\0", stack)
            process = subprocess.Popen(
                command_line(settings, command, arguments_fd),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={},  # the first process inside keeps bubblewrap's own environment readable in /proc
                cwd="/",
                pass_fds=(passwd_fd, arguments_fd, info_write, *((mapped_read,) if command.root else ())),
                start_new_session=True,
            )
        running = _Running(process, *_first_process(info_read))
        if command.root is not None and running.first >= 0:
            _admit(running, command.root, mapped_write)
        return running


def _admit(running: _Running, root: RootInside, mapped: int) -> None:
    """Give the waiting namespace its users, and let it go on; what cannot have them is ended."""
    try:
        map_ids(running.pid, root)
    except OSError as problem:
        _end(running)
        raise SandboxUnavailable(f"Users cannot be mapped into a namespace here: {problem.strerror}.") from problem
    os.write(mapped, b"1")


def _first_process(info: int) -> tuple[int, int]:
    """A pidfd of the process that bubblewrap reports on `info`, and its id; -1 where it reports none."""
    report = b""
    with selectors.DefaultSelector() as selector:
        selector.register(info, selectors.EVENT_READ)
        while b"}" not in report and selector.select(START_S):
            chunk = os.read(info, 4096)
            if not chunk:
                break
            report += chunk
    try:
        pid = int(json.loads(report)["child-pid"])
        return os.pidfd_open(pid), pid
    except (ValueError, KeyError, OSError):
        return -1, -1


def _run(
    settings: SandboxSettings, command: SandboxCommand, on_output: OnOutput | None, cancel: threading.Event | None
) -> SandboxResult:
    started = time.monotonic()
    output = CappedOutput(command.limits.output, on_output)
    running = _start(settings, command)
    with running.process as process:
        try:
            killed_by = _watch(process, command, output, started, cancel)
        finally:
            _end(running)
    exit_code: int | None = process.returncode
    if killed_by is None and exit_code == CPU_EXIT:
        killed_by = KilledBy.CPU
    if killed_by is None:
        killed_by = _over_disk(command)
    return SandboxResult(
        exit_code=None if killed_by else exit_code,
        output=output.text(),
        truncated=output.truncated,
        timed_out=killed_by in (KilledBy.WALL, KilledBy.CPU),
        killed_by=killed_by,
        duration_s=time.monotonic() - started,
    )


def _watch(
    process: subprocess.Popen[bytes],
    command: SandboxCommand,
    output: CappedOutput,
    started: float,
    cancel: threading.Event | None,
) -> KilledBy | None:
    """Collect output until the command has ended and closed it; returns the limit that it broke, if any."""
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
            now = time.monotonic()
            if cancel is not None and cancel.is_set():
                return KilledBy.CANCEL
            if now - started > command.limits.wall_s:
                return KilledBy.WALL
            if output.total > OUTPUT_FACTOR * command.limits.output:
                return KilledBy.OUTPUT
            if now >= next_look:
                broken = _overgrown(process.pid, command) or _over_disk(command)
                if broken:
                    return broken
                # Walking a big workspace may take long: never spend more than a tenth of the time on it.
                next_look = time.monotonic() + max(WATCH_S, 10 * (time.monotonic() - now))
    try:
        process.wait(max(TICK_S, started + command.limits.wall_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        return KilledBy.WALL
    return None


def _overgrown(pid: int, command: SandboxCommand) -> KilledBy | None:
    """Whether its processes are too many, which only root inside can have, or have too much memory together."""
    total = 0
    try:
        children = psutil.Process(pid).children(recursive=True)
        if command.root is not None and len(children) > command.limits.processes:
            return KilledBy.PROCESSES
        for child in children:
            try:
                memory = child.memory_info()
            except psutil.Error:
                continue
            total += memory.rss - memory.shared
    except psutil.Error:
        return None
    return KilledBy.MEMORY if total > command.limits.memory else None


def _over_disk(command: SandboxCommand) -> KilledBy | None:
    size, entries = usage(command.workspace, command.limits.entries)
    return KilledBy.DISK if size > command.limits.disk or entries > command.limits.entries else None


def _end(running: _Running) -> None:
    """End bubblewrap and everything inside, and return only when nothing of it can write any more."""
    if running.process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()
    if running.first >= 0:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(running.first, signal.SIGKILL)
        with selectors.DefaultSelector() as selector:
            selector.register(running.first, selectors.EVENT_READ)
            selector.select(START_S)
        os.close(running.first)
