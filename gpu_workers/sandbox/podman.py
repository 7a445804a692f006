"""The command line of podman for one command. Every host path that is visible inside is listed here."""

from __future__ import annotations

import json
import resource
from pathlib import Path

from gpu_workers.sandbox.cgroups import PARENT
from gpu_workers.sandbox.command import SandboxCommand, SandboxSettings, SandboxUnavailable
from gpu_workers.sandbox.host import find_python
from gpu_workers.sandbox.inside import (
    ACCOUNT,
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

BEGAN = "began"
BEGIN = f'echo {BEGAN} >&3; exec 3>&-; ulimit -d "$1" || exit 126; shift; "$@"; exit $?'
"""The first process inside: reports that all walls stand, limits what the engine cannot, and reaps. As any other, it may
not end itself by a signal, so that a limit on processor time has to meet a child."""
SYSTEM = "system"
KEPT = "kept"
STATE = "state"
FILTER = "seccomp.json"
READ_ONLY_BIND = ("ro", "nosuid", "nodev")
CGROUPFS = ("--cgroup-manager", "cgroupfs")


def configuration() -> str:
    """Of the engine: nothing of what the machine's own says. Its locks are files among what goes with the command."""
    return '[engine]\nlock_type = "file"\n'


def storage(settings: SandboxSettings, folder: Path) -> str:
    """Of its store: what it makes goes with the command, and images come from the owner's, which is only read."""
    stores = [str(settings.images)] if settings.image else []
    return (
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/{KEPT}"\nrunroot = "{folder}/run"\n'
        f"[storage.options]\nadditionalimagestores = {json.dumps(stores)}\n"
    )


def command_line(
    podman: str, runtime: str, settings: SandboxSettings, command: SandboxCommand, folder: Path, group: str
) -> list[str]:
    """What is executed in the namespaces in which `folder` is the engine's alone."""
    words = [podman, "--log-level", "error", "--tmpdir", f"{folder}/{STATE}", "--events-backend", "none", *CGROUPFS]
    words += ["--runtime", runtime, "--runtime-flag", f"root={folder}/runtime"]
    words += ["run", "--pull=never", f"--cgroup-parent=/{PARENT}/{group}", "--cgroups=no-conmon"]
    words += ["--log-driver=passthrough", "--preserve-fds=1", "--systemd=false"]
    words += ["--security-opt", f"seccomp={folder}/{FILTER}", *_walls(settings)]
    words += [*_limits(command), *_shown(settings, command), *_variables(settings, command)]
    words += ["--entrypoint", "/bin/sh", "--workdir", INSIDE]
    words += [settings.image] if settings.image else ["--rootfs", f"{folder}/{SYSTEM}"]
    return [*words, "-c", BEGIN, "sh", str(command.limits.most_data // 1024), *words_of(command)]


def _walls(settings: SandboxSettings) -> list[str]:
    words = ["--network=none", "--no-hosts", "--hostname", "sandbox", "--http-proxy=false"]
    words += ["--read-only", "--read-only-tmpfs=false", "--image-volume=ignore", "--no-healthcheck"]
    words += ["--cap-drop=all", "--security-opt=no-new-privileges", "--security-opt", "mask=/sys"]
    words += ["--user", f"{settings.uid}:{settings.gid}"]
    return [*words, "--passwd-entry", ACCOUNT.format(uid=settings.uid, gid=settings.gid)]


def _limits(command: SandboxCommand) -> list[str]:
    """Processes and memory are the control group's: the user's processes are counted over all containers together."""
    limits, most = command.limits, resource.getrlimit(resource.RLIMIT_NPROC)[1]
    words = ["--pids-limit", str(limits.processes), "--memory", str(limits.memory), "--memory-swap", str(limits.memory)]
    words += ["--shm-size", str(limits.scratch), "--tmpfs", f"/tmp:size={limits.scratch},mode=1777,notmpcopyup"]  # noqa: S108
    # A gap between the soft and the hard limit, or the kernel kills at once and the reason cannot be told.
    soft = {"cpu": limits.cpu_s, "fsize": limits.file_size, "nofile": limits.open_files, "nproc": most, "core": 0}
    for name, value in soft.items():
        words += ["--ulimit", f"{name}={value}:{value + 2 if name == 'cpu' else value}"]
    return words


def _shown(settings: SandboxSettings, command: SandboxCommand) -> list[str]:
    words = [] if settings.image else _host_system(settings, command)
    words += _bind(command.workspace, INSIDE, "nosuid", "nodev")
    if command.git_dir is not None:
        words += _bind(command.git_dir, f"{INSIDE}/.git", *READ_ONLY_BIND)
    for name, place in command.programs.items():
        words += _bind(place, f"{PROGRAMS}/{name}", *READ_ONLY_BIND)
    if command.door is not None:
        words += _bind(command.door, DOOR, *READ_ONLY_BIND)
    return words


def _host_system(settings: SandboxSettings, command: SandboxCommand) -> list[str]:
    python = find_python(settings)
    places = [Path(path) for path in READ_ONLY]
    places += [place for name in MERGED if (place := Path("/") / name).is_dir() and not place.is_symlink()]
    tried = (*READ_ONLY_ETC, *(CERTIFICATES if command.door is not None else ()))
    places += [Path(path) for path in tried if Path(path).exists()]
    places += [*settings.read_only, *([python] if python else [])]
    return [word for place in places for word in _bind(place, str(place), *READ_ONLY_BIND)]


def _bind(source: Path, target: str, *options: str) -> list[str]:
    """The engine reads it as a line of comma-separated values, in which a quoted one may hold commas."""
    for place in (str(source), target):
        if '"' in place or "\n" in place:
            raise SandboxUnavailable(f"A container engine cannot be shown {place!r}.")
    return ["--mount", ",".join(("type=bind", f'"src={source}"', f'"dst={target}"', *options))]


def _variables(settings: SandboxSettings, command: SandboxCommand) -> list[str]:
    """Ours and the allow-list's; below them those that the owner's image brings, its PATH among them."""
    ours = environment(command)
    words = []
    if not settings.image:
        words = ["--unsetenv-all"]
        ours["PATH"] = search_path(find_python(settings))
    for name, value in ours.items():
        words += ["--env", f"{name}={value}"]
    return words
