"""The command line of bubblewrap. Every host path that is visible inside is listed here."""

from __future__ import annotations

from pathlib import Path

from gpu_workers.sandbox.command import SandboxCommand, SandboxLimits, SandboxSettings
from gpu_workers.sandbox.host import drops_user, find_bwrap, find_helper, find_python
from gpu_workers.sandbox.inside import (
    CERTIFICATES,
    DOOR,
    INSIDE,
    MERGED,
    PROGRAMS,
    READ_ONLY,
    READ_ONLY_ETC,
    environment,
    search_path,
    words_of,
)

CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
    "SYS_ADMIN", "SYS_CHROOT", "SYS_RESOURCE",
)  # fmt: skip
"""What root inside has over its own namespace: what containers have by default, and what mounting a root folder takes."""
NO_MORE = (
    "for kind in user net ipc pid cgroup time; do echo 0 > /proc/sys/user/max_${kind}_namespaces || exit 126; done; "
    'exec setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource -- "$@"'
)
"""Closes the way to further namespaces, as root of this one may, and then gives away what could open it again."""
BUILDERS_AT_ONCE = 8


def _system(settings: SandboxSettings, python: Path | None) -> list[str]:
    words: list[str] = []
    for path in READ_ONLY:
        words += ["--ro-bind", path, path]
    for name in MERGED:
        place = Path("/") / name
        if place.is_symlink():
            words += ["--symlink", f"usr/{name}", str(place)]
        elif place.is_dir():
            words += ["--ro-bind", str(place), str(place)]
    for path in READ_ONLY_ETC:
        words += ["--ro-bind-try", path, path]
    for extra in (*settings.read_only, *([python] if python else [])):
        words += ["--ro-bind", str(extra), str(extra)]
    return words


def _writable(limits: SandboxLimits, command: SandboxCommand) -> list[str]:
    """Memory-backed places with a size each, then the workspace; the rest, root included, is read-only."""
    words = ["--proc", "/proc", "--dev", "/dev"]
    words += ["--size", str(limits.scratch), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108
    words += ["--size", str(limits.scratch), "--tmpfs", "/tmp"]  # noqa: S108
    words += ["--bind", str(command.workspace), INSIDE]
    if command.git_dir is not None:
        words += ["--ro-bind", str(command.git_dir), f"{INSIDE}/.git"]
    for name, place in command.programs.items():
        words += ["--ro-bind", str(place), f"{PROGRAMS}/{name}"]
    if command.door is not None:
        words += ["--ro-bind", str(command.door), DOOR]
        for path in CERTIFICATES:
            words += ["--ro-bind-try", path, path]
    if command.root is not None:
        words += ["--size", "4096", "--tmpfs", "/sys"]
        for inside, place in command.root.shown.items():
            words += ["--ro-bind", str(place), inside]
    return [*words, "--remount-ro", "/", "--chdir", INSIDE]


def _who(command: SandboxCommand, mapped_fd: int) -> list[str]:
    if command.root is None:
        return ["--disable-userns", "--cap-drop", "ALL"]
    words = ["--userns-block-fd", str(mapped_fd), "--uid", "0", "--gid", "0", "--cap-drop", "ALL"]
    for name in CAPABILITIES:
        words += ["--cap-add", f"CAP_{name}"]
    return words


def bwrap_arguments(
    settings: SandboxSettings, command: SandboxCommand, passwd_fd: int, info_fd: int, mapped_fd: int
) -> list[str]:
    """Options that bubblewrap reads from a file descriptor, so that no host path shows in /proc inside.

    For a command with root inside, it waits at `mapped_fd` until the ids are mapped.
    """
    python = find_python(settings)
    words = ["--unshare-user", "--unshare-all", "--die-with-parent", "--new-session", *_who(command, mapped_fd)]
    words += ["--hostname", "sandbox", "--clearenv"]
    for name, value in {"PATH": search_path(python), **environment(command)}.items():
        words += ["--setenv", name, value]
    words += _system(settings, python)
    words += ["--ro-bind-data", str(passwd_fd), "/etc/passwd", "--info-fd", str(info_fd)]
    return words + _writable(command.limits, command)


def command_line(settings: SandboxSettings, command: SandboxCommand, arguments_fd: int) -> list[str]:
    """The whole chain: lose root and privileges, limit, isolate, limit processes, run.

    The limit on processes is set inside: there it counts this sandbox's processes only, and root, for whom the
    kernel ignores it, is already gone.
    """
    limits = command.limits
    words = [find_helper("setpriv"), "--no-new-privs"]
    if command.root is not None:
        words += [f"--reuid={command.root.first}", f"--regid={command.root.first}", "--clear-groups"]
    elif drops_user(settings):
        words += [f"--reuid={settings.uid}", f"--regid={settings.gid}", "--clear-groups"]
    words += [find_helper("prlimit"), f"--data={limits.most_data}", f"--fsize={limits.file_size}"]
    # A gap between the soft and the hard limit, or the kernel kills at once and the reason cannot be told.
    words += [f"--cpu={limits.cpu_s}:{limits.cpu_s + 2}", f"--nofile={limits.open_files}", "--core=0"]
    if command.root is not None:
        # Inside, each of many users has a count of its own; together they have the one of their namespace's owner.
        words.append(f"--nproc={BUILDERS_AT_ONCE * limits.processes}")
    words += ["--", str(find_bwrap(settings)), "--args", str(arguments_fd)]
    words += ["/bin/sh", "-c", NO_MORE, "sh"] if command.root is not None else []
    return [*words, find_helper("prlimit"), f"--nproc={limits.processes}", "--", *words_of(command)]
