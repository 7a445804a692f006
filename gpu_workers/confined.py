"""Files of a tree that somebody else controls: every folder on the way is opened without following links."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

LONGEST_PATH = 1000
NOT_PLAIN = "is a link, a folder or no regular file; links are not followed"
ODD = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO)
REASONS: Mapping[int, str] = {
    errno.ENAMETOOLONG: "is too long for a name; a file system takes 255 bytes between two slashes",
    errno.EACCES: "may not be opened",
    errno.EPERM: "may not be changed",
}
"""What is wrong with a path, by what the system says; all else that it says is the machine's trouble and no path's."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class PathRefused(ValueError):
    """The path may not be used; the message says why, in words for the model."""


def path_parts(path: str) -> list[str]:
    """The parts of a relative path inside the tree. Raises PathRefused."""
    if not path or "\0" in path:
        raise PathRefused("Give a path relative to the workspace.")
    if len(path) > LONGEST_PATH:
        raise PathRefused(f"A path has at most {LONGEST_PATH} characters; this one has {len(path)}.")
    if path.startswith(("/", "~")) or "\\" in path:
        raise PathRefused(f"{path!r} is not relative to the workspace; give a path such as 'docs/guide.md'.")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PathRefused(f"{path!r} leaves the workspace.")
    if any(part.lower() == ".git" for part in parts):
        raise PathRefused(f"{path!r} belongs to git and cannot be used.")
    return parts


def _file_parts(path: str) -> list[str]:
    """As `path_parts`, of what can be a file."""
    parts = path_parts(path)
    if not parts:
        raise PathRefused(f"{path!r} is a folder.")
    return parts


@contextmanager
def _told(path: str, odd: str = NOT_PLAIN) -> Iterator[None]:
    """What the system has against a path, as PathRefused; that a file is missing stays FileNotFoundError."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in (*ODD, *REASONS):
            raise
        raise PathRefused(f"{path!r} {REASONS.get(problem.errno, odd)}.") from problem


@contextmanager
def _folder(root: Path, parts: list[str], make: bool, owner: tuple[int, int] | None) -> Iterator[int]:
    """A descriptor of the folder `parts` below `root`."""
    fd = os.open(root, FOLDER)
    try:
        for part in parts:
            with _told(part, "is a link or no folder; links are not followed"):
                deeper = _deeper(fd, part, make, owner)
            os.close(fd)
            fd = deeper
        yield fd
    finally:
        os.close(fd)


def _deeper(fd: int, part: str, make: bool, owner: tuple[int, int] | None) -> int:
    """A descriptor of the folder `part` of an open folder, made where missing and `make` says so."""
    try:
        return os.open(part, FOLDER, dir_fd=fd)
    except FileNotFoundError:
        if not make:
            raise
    os.mkdir(part, 0o755, dir_fd=fd)
    deeper = os.open(part, FOLDER, dir_fd=fd)
    if owner is not None:
        os.fchown(deeper, *owner)
    return deeper


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
    with _told(path):
        fd = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise PathRefused(f"{path!r} is not a regular file.")
    return fd


def confined_read(root: Path, path: str, limit: int) -> bytes:
    """At most `limit` bytes of a file below `root`. Raises PathRefused, FileNotFoundError."""
    parts = _file_parts(path)
    with _folder(root, parts[:-1], False, None) as folder:
        fd = _open(parts[-1], os.O_RDONLY, folder, path)
        with open(fd, "rb") as stream:
            return stream.read(limit)


def confined_write(root: Path, path: str, content: bytes, owner: tuple[int, int] | None = None) -> bool:
    """Write a file below `root`, by replacing it whole; true where it is new. Raises PathRefused.

    `owner` gets what is created. The mode of a file that was there is kept.
    """
    parts = _file_parts(path)
    with _folder(root, parts[:-1], True, owner) as folder, _told(path):
        mode = 0o644
        try:
            found = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            fresh = True
        else:
            fresh = False
            if not stat.S_ISREG(found.st_mode):
                raise PathRefused(f"{path!r} {NOT_PLAIN}.")
            mode = stat.S_IMODE(found.st_mode) & 0o777
        scratch = _scratch()
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
    parts = _file_parts(path)
    with _folder(root, parts[:-1], False, None) as folder, _told(path):
        if stat.S_ISDIR(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode):
            raise PathRefused(f"{path!r} is a folder.")
        os.unlink(parts[-1], dir_fd=folder)


def confined_change(root: Path, changes: Mapping[str, bytes | None], owner: tuple[int, int] | None = None) -> None:
    """Write files and remove those given as None, in this order: all of them, or none where one is refused.

    What was there lies beside its file under another name until all is done: putting it back takes no room on the disk.
    Raises PathRefused, FileNotFoundError.
    """
    kept: list[tuple[list[str], str]] = []
    with ExitStack() as undo:
        for path, content in changes.items():
            *folders, name = _file_parts(path)
            if (scratch := _linked(root, folders, name, path)) is not None:
                kept.append((folders, scratch))
                undo.callback(_put_back, root, folders, scratch, name)
            elif content is not None:
                undo.callback(_unmade, root, folders, name, _missing(root, folders))
            if content is None:
                confined_remove(root, path)
            else:
                confined_write(root, path, content, owner)
        undo.pop_all()
    for folders, scratch in kept:
        _gone(root, folders, scratch)


def _scratch() -> str:
    return f".guildhall-{os.getpid()}-{os.urandom(4).hex()}"


def _linked(root: Path, folders: list[str], name: str, path: str) -> str | None:
    """A second name, in the same folder, of what is there; None where nothing is."""
    scratch = _scratch()
    try:
        with _folder(root, folders, False, None) as folder, _told(path):
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise PathRefused(f"{path!r} is a folder.")
            os.link(name, scratch, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return scratch


def _put_back(root: Path, folders: list[str], scratch: str, name: str) -> None:
    with _folder(root, folders, False, None) as folder:
        os.rename(scratch, name, src_dir_fd=folder, dst_dir_fd=folder)
    # Renaming a file to its own other name does nothing.
    _gone(root, folders, scratch)


def _gone(root: Path, folders: list[str], name: str) -> None:
    with suppress(FileNotFoundError), _folder(root, folders, False, None) as folder:
        os.unlink(name, dir_fd=folder)


def _missing(root: Path, folders: list[str]) -> int:
    """How many of the folders on the way, from the last one up, are not there yet."""
    for depth in range(len(folders), 0, -1):
        try:
            with _folder(root, folders[:depth], False, None):
                return len(folders) - depth
        except FileNotFoundError:
            continue
    return len(folders)


def _unmade(root: Path, folders: list[str], name: str, made: int) -> None:
    """Take away a new file and the folders that were made for it."""
    _gone(root, folders, name)
    for depth in range(len(folders), len(folders) - made, -1):
        with suppress(FileNotFoundError), _folder(root, folders[: depth - 1], False, None) as folder:
            os.rmdir(folders[depth - 1], dir_fd=folder)


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
