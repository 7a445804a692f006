"""What a command finds around it, whichever walls stand there: its places, its variables, and its way to the door."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from gpu_workers.sandbox.command import SandboxCommand

INSIDE = "/workspace"
PROGRAMS = "/programs"
READ_ONLY = ("/usr",)
MERGED = ("bin", "lib", "lib64", "lib32", "sbin")
READ_ONLY_ETC = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime")
CERTIFICATES = ("/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted")
"""Whom the system trusts in TLS: of use only to commands that reach other hosts."""
DOOR = "/door"
SYSTEM = "/usr/local/bin:/usr/bin:/bin"
ACCOUNT = "agent:x:{uid}:{gid}:agent:/tmp:/bin/sh"

# Inside, git belongs to another user than the files and must run nothing that the repository names.
GIT_CONFIGURATION = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.pager": "cat",
    "core.sshCommand": "false",
    "protocol.allow": "never",
    "safe.directory": "*",
}


def environment(command: SandboxCommand) -> dict[str, str]:
    """All variables that a command has but for PATH: ours, and those of the allow-list that it came with."""
    ours = {
        "HOME": "/tmp",  # noqa: S108 - the sandbox's own tmpfs
        "TMPDIR": "/tmp",  # noqa: S108
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PAGER": "cat",
        "GIT_CONFIG_COUNT": str(len(GIT_CONFIGURATION)),
    }
    for number, (key, value) in enumerate(GIT_CONFIGURATION.items()):
        ours[f"GIT_CONFIG_KEY_{number}"] = key
        ours[f"GIT_CONFIG_VALUE_{number}"] = value
    return {**ours, **command.env}


def search_path(python: Path | None) -> str:
    """PATH of a command that is shown the host's system."""
    return f"{python}/bin:{SYSTEM}" if python else SYSTEM


def words_of(command: SandboxCommand) -> list[str]:
    """What is executed: the command, after a forwarder that gives way to it where it may reach hosts."""
    return command.words if command.door is None else ["python3", "-I", "-c", _forwarder(), DOOR, *command.words]


@cache
def _forwarder() -> str:
    return (files("gpu_workers.sandbox") / "outward.py").read_text(encoding="utf-8")
