"""Folders that commands may write to: who owns them, how much is in them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gpu_workers.sandbox.command import SandboxLimits, SandboxSettings
from gpu_workers.sandbox.host import drops_user, find_helper, reachable

BLOCK = 512
MAX_DEPTH = 200
"""Folders below one another. Deeper trees have paths that no program can open, and what lies there would go uncounted."""


def prepare_workspace(path: Path, settings: SandboxSettings | None = None) -> Path:
    """Create `path` where missing and give it, and all in it, to the sandboxed user. Links are not followed.

    Raises PermissionError where that user cannot reach it, which is so below a home folder of mode 0700.
    """
    settings = settings or SandboxSettings()
    path.mkdir(parents=True, exist_ok=True, mode=0o755)
    if not drops_user(settings):
        return path
    if not reachable(path.parent, settings.uid, settings.gid):
        raise PermissionError(f"User {settings.uid}, who runs commands, cannot reach {path.parent}.")
    give_to_sandbox(path, settings)
    return path


def give_to_sandbox(path: Path, settings: SandboxSettings) -> None:
    """Change the owner of a whole tree; a repository's `.git` mount point stays ours."""
    os.chown(path, settings.uid, settings.gid, follow_symlinks=False)
    for _, folders, files, folder_fd in os.fwalk(path, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, settings.uid, settings.gid, dir_fd=folder_fd, follow_symlinks=False)


def remove_tree(path: Path) -> None:
    """Remove what commands wrote, however deep; Python's own way calls itself for each folder. Follows no link.

    Raises OSError where something of it is left.
    """
    subprocess.run([find_helper("rm"), "-rf", "--", os.fspath(path)], check=False, capture_output=True)
    if os.path.lexists(path):
        raise OSError(f"{path} could not be removed whole.")


@dataclass(frozen=True, slots=True)
class Room:
    """How many bytes and entries a workspace may hold while a command runs."""

    size: int
    entries: int


def room_in(path: Path, limits: SandboxLimits) -> Room:
    """What a workspace holds before a command, as far as a checkout may, and what a command may add."""
    size, entries = usage(path, limits.tree_entries)
    return Room(min(size, limits.tree) + limits.disk, min(entries, limits.tree_entries) + limits.entries)


def room_left(path: Path, limits: SandboxLimits) -> int:
    """Bytes that a command may still add to what a workspace holds; nothing where it has grown beyond all bounds."""
    size = usage(path, limits.tree_entries + limits.entries)[0]
    return max(min(size, limits.tree) + limits.disk - size, 0)


def usage(path: Path, entries_limit: int) -> tuple[int, int]:
    """Bytes on disk and number of entries below `path`; stops counting past `entries_limit`. Follows no link.

    A tree that is too deep counts as one entry too many.
    """
    size = entries = 0
    waiting = [(os.fspath(path), 0)]
    while waiting:
        place, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return size, entries_limit + 1
        try:
            with os.scandir(place) as found:
                for entry in found:
                    entries += 1
                    if entries > entries_limit:
                        return size, entries
                    try:
                        size += entry.stat(follow_symlinks=False).st_blocks * BLOCK
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append((entry.path, depth + 1))
                    except OSError:
                        continue
        except OSError:
            continue
    return size, entries
