"""The files that a build may use: a copy of a folder of the workspace, without what agents may not see, and within bounds."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from gpu_workers.confined import confined_folder

MAX_BYTES = 128 * 1024 * 1024
MAX_ENTRIES = 20_000


class ContextTooLarge(ValueError):
    """It passes the bounds; the message says which."""


def copy_context(tree: Path, folder: str, target: Path, may_see: Callable[[str], bool], owner: int) -> int:
    """Copy the files and links below `folder` of `tree` to `target`, for `owner`; the bytes of it.

    Links are copied as links, none is followed. `may_see` is asked for each path from the top of the tree. Raises
    ContextTooLarge, PathRefused, FileNotFoundError.
    """
    size = entries = 0
    target.mkdir(mode=0o755)
    with confined_folder(tree, folder) as start:
        for place, names, files, fd in os.fwalk(".", dir_fd=start, follow_symlinks=False):
            names[:] = sorted(name for name in names if name.lower() != ".git")
            here = target / place
            here.mkdir(exist_ok=True, mode=0o755)
            for name in (*_links(names, fd), *sorted(files)):
                entries += 1
                if may_see(os.path.normpath(os.path.join(folder, place, name))):
                    size += _copy(name, fd, here / name, MAX_BYTES - size)
                if entries > MAX_ENTRIES:
                    raise ContextTooLarge(f"it has more than {MAX_ENTRIES} files; name a smaller folder")
    for place, names, files in os.walk(target):
        for path in (place, *(os.path.join(place, name) for name in (*names, *files))):
            os.chown(path, owner, owner, follow_symlinks=False)
    return size


def _links(names: list[str], fd: int) -> Iterator[str]:
    """Links to folders, which a walk takes for folders and does not enter."""
    for name in names:
        if stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            yield name


def _copy(name: str, fd: int, target: Path, room: int) -> int:
    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        target.symlink_to(os.readlink(name, dir_fd=fd))
    if not stat.S_ISREG(found.st_mode):
        return 0
    if found.st_size > room:
        raise ContextTooLarge(f"it has more than {MAX_BYTES // 1024**2} MiB; name a smaller folder")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(name, flags, dir_fd=fd), "rb") as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy)
        os.fchmod(copy.fileno(), stat.S_IMODE(found.st_mode) & 0o755 | 0o400)
    return found.st_size
