"""What a running stack leaves for other commands to find: its lock, its state and its environment, under `var`/run."""

import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

SHARED = "DATABASE_URL"
"""Whoever sets this variable to another database than the stack's gets nothing from it."""
TOLD = "GUILDHALL_WORK"
"""Whoever has this one is run by a stack, and was told all that it is to know."""

LOCK_ATTEMPTS = 10
LOCK_PAUSE_SECONDS = 0.02


class Running:
    """The files of one `var` folder. The lock is held by the supervisor for as long as it lives, and by nobody else."""

    def __init__(self, var: Path) -> None:
        self.folder = var / "run"
        self._lock: int | None = None

    def acquire(self) -> bool:
        """Take the lock for this process; False when another process holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(descriptor):
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._lock = descriptor
        return True

    def release(self) -> None:
        """Forget the state and give the lock back."""
        for name in ("state.json", "environment.json"):
            (self.folder / name).unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def holder(self) -> int | None:
        """Process id of the supervisor that is running, None when there is none."""
        try:
            with (self.folder / "lock").open() as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(lock.read() or 0) or None
        except FileNotFoundError:
            pass
        return None

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Replace `name`.json (mode 600) in one step."""
        fresh = self.folder / f"{name}.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(value, file, indent=1)
        fresh.replace(self.folder / f"{name}.json")

    def read(self, name: str) -> dict[str, Any]:
        """What `write` put there; empty when there is nothing."""
        with suppress(FileNotFoundError):
            value: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_text())
            return value
        return {}


def _locked(descriptor: int) -> bool:
    """Try for a moment: `holder` looks by taking a shared lock for an instant."""
    for _ in range(LOCK_ATTEMPTS):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(LOCK_PAUSE_SECONDS)
    return False


def adopt_environment(var: Path) -> None:
    """Point this process at the stack that runs from `var`, unless its own environment names another database.

    To be called before Django's settings are read; without a running stack it does nothing.
    """
    running = Running(var)
    if TOLD in os.environ or running.holder() is None:
        return
    environment = running.read("environment")
    if os.environ.get(SHARED) in (None, environment.get(SHARED)):
        for name, value in environment.items():
            os.environ.setdefault(name, value)
