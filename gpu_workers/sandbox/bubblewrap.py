"""Walls of bubblewrap: namespaces that are made for one command, without a program that stays behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gpu_workers.sandbox.bwrap import bwrap_arguments, command_line
from gpu_workers.sandbox.cgroups import entrance, made_group, memory_ran_out, remove_group, remove_left_groups
from gpu_workers.sandbox.command import KilledBy, RootInside, SandboxCommand, SandboxSettings, SandboxUnavailable
from gpu_workers.sandbox.held import Held
from gpu_workers.sandbox.host import drops_user, namespace_fix
from gpu_workers.sandbox.inside import ACCOUNT
from gpu_workers.sandbox.mapping import map_ids
from gpu_workers.sandbox.running import Running, memory_file, running_of

NOT_ENTERED = 97
ENTER = f'echo 0 >"$1" || exit {NOT_ENTERED}; shift; exec "$@"'
PASSWD_ROOT = b"root:x:0:0:root:/tmp:/bin/sh\n"


class Bubblewrap:
    """Runs commands under bubblewrap, in a control group where this process may make one. Elsewhere what they hold is counted."""

    name = "bubblewrap"

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings

    def advice(self) -> str:
        return namespace_fix()

    @contextmanager
    def started(self, command: SandboxCommand) -> Iterator[Running]:
        remove_left_groups()
        with ExitStack() as stack:
            if group := made_group(command.limits.memory):
                stack.callback(remove_group, group)
            yield _start(self._settings, command, group, stack)

    def overgrown(self, running: Running, command: SandboxCommand, held: Held) -> KilledBy | None:
        """Whether its processes are too many, which only root inside can have, or have too much memory together."""
        if command.root is not None and held.processes > command.limits.processes:
            return KilledBy.PROCESSES
        too_much = memory_ran_out(running.name) if running.name else held.memory > command.limits.memory
        return KilledBy.MEMORY if too_much else None

    def ended_by(self, running: Running, command: SandboxCommand, exit_code: int, said: str) -> KilledBy | None:
        if exit_code == NOT_ENTERED and not running.reported():
            raise SandboxUnavailable(f"The command could not enter its control group ({said.strip()[-200:]}).")
        return KilledBy.MEMORY if running.name and memory_ran_out(running.name) else None


def _entering(group: str) -> list[str]:
    """What the command line begins with, to run in the group that was made; without one, the watching alone counts."""
    return ["/bin/sh", "-c", ENTER, "sh", str(entrance(group))] if group else []


def _start(settings: SandboxSettings, command: SandboxCommand, group: str, stack: ExitStack) -> Running:
    uid, gid = (settings.uid, settings.gid) if drops_user(settings) else (os.geteuid(), os.getegid())
    passwd = ACCOUNT.format(uid=uid, gid=gid).encode() + b"\n"
    passwd_fd = memory_file(PASSWD_ROOT if command.root else passwd, stack)
    (info_read, info_write), (mapped_read, mapped_write) = os.pipe(), os.pipe()
    stack.callback(os.close, info_read)
    stack.callback(os.close, mapped_write)
    with ExitStack() as ours:
        ours.callback(os.close, info_write)
        ours.callback(os.close, mapped_read)
        words = bwrap_arguments(settings, command, passwd_fd, info_write, mapped_read)
        arguments_fd = memory_file(b"\0".join(os.fsencode(word) for word in words) + b"\0", stack)
        process = subprocess.Popen(
            [*_entering(group), *command_line(settings, command, arguments_fd)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={},  # the first process inside keeps bubblewrap's own environment readable in /proc
            cwd="/",
            pass_fds=(passwd_fd, arguments_fd, info_write, *((mapped_read,) if command.root else ())),
            start_new_session=True,
        )
    running = running_of(process, info_read, group)
    if command.root is not None and running.first >= 0:
        _admit(running, command.root, mapped_write)
    return running


def _admit(running: Running, root: RootInside, mapped: int) -> None:
    """Give the waiting namespace its users, and let it go on; what cannot have them is ended."""
    try:
        map_ids(running.pid, root)
    except OSError as problem:
        running.end()
        raise SandboxUnavailable(f"Users cannot be mapped into a namespace here: {problem.strerror}.") from problem
    os.write(mapped, b"1")
