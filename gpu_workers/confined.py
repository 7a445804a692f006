"""Files of a tree that somebody else controls: every folder on the way is opened without following links."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class PathRefused(ValueError):
    """The path may not be used; the message says why, in words for the model."""


def path_parts(path: str) -> list[str]:
    """The parts of a relative path inside the tree. Raises PathRefused."""
    if not path or "\0" in path or len(path) > 1000:
        raise PathRefused("Give a path relative to the workspace.")
    if path.startswith(("/", "~")) or "\\" in path:
        raise PathRefused(f"{path!r} is not relative to the workspace; give a path such as 'docs/guide.md'.")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PathRefused(f"{path!r} leaves the workspace.")
    if any(part.lower() == ".git" for part in parts):
        raise PathRefused(f"{path!r} belongs to git and cannot be used.")
    return parts


@contextmanager
def _folder(root: Path, parts: list[str], make: bool, owner: tuple[int, int] | None) -> Iterator[int]:
    """A descriptor of the folder `parts` below `root`."""
    fd = os.open(root, FOLDER)
    try:
        for part in parts:
            try:
                deeper = os.open(part, FOLDER, dir_fd=fd)
            except FileNotFoundError:
                if not make:
                    raise
                os.mkdir(part, 0o755, dir_fd=fd)
                deeper = os.open(part, FOLDER, dir_fd=fd)
                if owner is not None:
                    os.fchown(deeper, *owner)
            except OSError as problem:
                raise PathRefused(f"{part!r} is a link or no folder; links are not followed.") from problem
            os.close(fd)
            fd = deeper
        yield fd
    finally:
        os.close(fd)


@contextmanager
def confined_folder(root: Path, path: str) -> Iterator[int]:
    """A descriptor of a folder below `root`, or of `root` where `path` is empty. Raises PathRefused, FileNotFoundError."""
    with _folder(root, path_parts(path) if path not in ("", ".") else [], False, None) as folder:
        yield folder


@contextmanager
def made_folder(root: Path, parts: list[str]) -> Iterator[int]:
    """A descriptor of the folder `parts` below `root`, made where missing; the parts are names, judged by the caller.

    Raises PathRefused where something on the way is a link or no folder.
    """
    with _folder(root, parts, True, None) as folder:
        yield folder


def _open(name: str, flags: int, folder: int, path: str) -> int:
    try:
        fd = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as problem:
        raise PathRefused(f"{path!r} is a link, a folder or no regular file; links are not followed.") from problem
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise PathRefused(f"{path!r} is not a regular file.")
    return fd


def confined_read(root: Path, path: str, limit: int) -> bytes:
    """At most `limit` bytes of a file below `root`. Raises PathRefused, FileNotFoundError."""
    parts = path_parts(path)
    if not parts:
        raise PathRefused(f"{path!r} is a folder.")
    with _folder(root, parts[:-1], False, None) as folder:
        fd = _open(parts[-1], os.O_RDONLY, folder, path)
        with open(fd, "rb") as stream:
            return stream.read(limit)


def confined_write(root: Path, path: str, content: bytes, owner: tuple[int, int] | None = None) -> bool:
    """Write a file below `root`, by replacing it whole; true where it is new. Raises PathRefused.

    `owner` gets what is created. The mode of a file that was there is kept.
    """
    parts = path_parts(path)
    if not parts:
        raise PathRefused(f"{path!r} is a folder.")
    with _folder(root, parts[:-1], True, owner) as folder:
        mode = 0o644
        try:
            found = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            fresh = True
        else:
            fresh = False
            if not stat.S_ISREG(found.st_mode):
                raise PathRefused(f"{path!r} is a link, a folder or no regular file; links are not followed.")
            mode = stat.S_IMODE(found.st_mode) & 0o777
        scratch = f".guildhall-{os.getpid()}-{os.urandom(4).hex()}"
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
        try:
            with open(fd, "wb") as stream:
                stream.write(content)
                os.fchmod(stream.fileno(), mode)
                if owner is not None:
                    os.fchown(stream.fileno(), *owner)
            os.rename(scratch, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as problem:
            os.unlink(scratch, dir_fd=folder)
            raise PathRefused(f"{path!r} could not be written: {problem.strerror}.") from problem
        return fresh


def confined_remove(root: Path, path: str) -> None:
    """Remove one file, or a link as such, below `root`. Raises PathRefused, FileNotFoundError."""
    parts = path_parts(path)
    if not parts:
        raise PathRefused(f"{path!r} is a folder.")
    with _folder(root, parts[:-1], False, None) as folder:
        if stat.S_ISDIR(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode):
            raise PathRefused(f"{path!r} is a folder.")
        os.unlink(parts[-1], dir_fd=folder)


def confined_files(root: Path, under: str = ".", limit: int = 5000) -> list[str]:
    """Paths of the regular files below a folder, in order; links and git directories are left out."""
    parts = path_parts(under) if under not in ("", ".") else []
    found: list[str] = []
    with confined_folder(root, under) as start:
        for folder, names, files, fd in os.fwalk(".", dir_fd=start, follow_symlinks=False):
            names[:] = sorted(name for name in names if name.lower() != ".git")
            for name in sorted(files):
                if stat.S_ISREG(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                    inside = os.path.normpath(os.path.join(*parts, folder, name))
                    found.append(inside.encode("utf-8", "replace").decode())
                    if len(found) >= limit:
                        return found
    return found
