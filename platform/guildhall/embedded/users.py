"""The system user that services run as when root starts them, and where their data can live.

PostgreSQL refuses to run as root, and nobody but root can reach below a closed home folder. So for root there is one
system user, and data that it needs lies under a system folder named after the checkout; no home folder is opened up.
"""

import hashlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEM_USER = "guildhall"
SYSTEM_DATA = Path("/var/lib/guildhall")
SOCKET_PATH_LIMIT = 90
"""Bytes of a folder that still leave room for a socket's name: Linux allows 107 for both."""


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """The account that services run as."""

    name: str
    uid: int
    gid: int


def service_user() -> ServiceUser | None:
    """None for an ordinary user (services run as that user); for root the system user, created when it is missing."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(SYSTEM_DATA),
             "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            check=True,
        )  # fmt: skip
        entry = pwd.getpwnam(SYSTEM_USER)
    return ServiceUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def service_root(var: Path) -> Path:
    """The folder for data of services of `var`: `var` itself, or for root a system folder named after it."""
    if os.geteuid() != 0:
        var.mkdir(parents=True, exist_ok=True)
        return var
    root = SYSTEM_DATA / folder_name(var)
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o711)
    return root


def folder_name(var: Path) -> str:
    """A short name for a checkout's data: its readable end and a digest of the whole path."""
    path = var.resolve()
    readable = re.sub(r"[^a-z0-9]+", "-", f"{path.parent.name}-{path.name}".lower()).strip("-")[-30:]
    return f"{readable}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def own_folder(path: Path, user: ServiceUser | None, mode: int = 0o700) -> Path:
    """Make `path` a folder of the service user."""
    path.mkdir(parents=True, exist_ok=True)
    if user:
        os.chown(path, user.uid, user.gid)
    path.chmod(mode)
    return path


def own_file(path: Path, user: ServiceUser | None) -> None:
    """Make `path` readable and writable by the service user alone."""
    path.chmod(0o600)
    if user:
        os.chown(path, user.uid, user.gid)


def socket_folder(root: Path) -> Path:
    """Where sockets go: beside the data, or in the temporary folder when that path is too long for a socket."""
    beside = root / "run"
    if len(os.fsencode(beside)) <= SOCKET_PATH_LIMIT:
        return beside
    return Path(tempfile.gettempdir()) / f"guildhall-{os.geteuid()}-{folder_name(root)[-8:]}"


def runnable(base: Path, parts: Sequence[str], user: ServiceUser | None, copies: Path) -> Path:
    """`base`, the folder of `parts` (programs and what they load), or a copy when `user` cannot reach them there."""
    if user is None or all(is_open_to_all(base / part) for part in parts):
        return base
    copies.mkdir(parents=True, exist_ok=True)
    copies.chmod(0o755)
    marker = copies / ".copied-from"
    wanted = "\n".join(f"{base / part} {(base / part).stat().st_mtime_ns}" for part in parts)
    if marker.exists() and marker.read_text() == wanted:
        return copies
    for part in parts:
        _copy_open(base / part, copies / part)
    marker.write_text(wanted)
    return copies


def is_open_to_all(path: Path) -> bool:
    """Whether every user of this machine can read (and, for a folder or program, enter or run) `path`."""
    reachable = all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)
    return reachable and path.stat().st_mode & 0o005 == 0o005


def _copy_open(source: Path, target: Path) -> None:
    """Copy a file or folder so that everybody may read it, and run what its owner may run."""
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    for path in (target.parent, target, *target.rglob("*")):
        executable = path.stat().st_mode & 0o100
        path.chmod(path.stat().st_mode | (0o555 if executable else 0o444))
