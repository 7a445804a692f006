"""Files of a suite as somebody has written them: each is a plain one of bounded size, and nothing is waited for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gpu_workers.confined import PathRefused, confined_read, path_parts
from gpu_workers.repos import plain_name

MOST_FILES, MOST_BYTES = 2000, 1024 * 1024


class NoFile(ValueError):
    """There is no such file that a suite can have; the message says what is wrong."""


def read_file(place: Path, name: str, most: int = MOST_BYTES) -> bytes:
    """The file of that name in the folder `place`. A pipe is not waited for. Raises `NoFile`."""
    try:
        content = confined_read(place.resolve(), name, most + 1)
    except FileNotFoundError as missing:
        raise NoFile("it is missing.") from missing
    except (PathRefused, OSError) as odd:
        raise NoFile(f"it has to be a plain file of at most {most} bytes.") from odd
    if len(content) > most:
        raise NoFile(f"it has to be a plain file of at most {most} bytes.")
    return content


def read_tree(root: Path) -> Iterator[tuple[str, bytes | str]]:
    """Every file below `root` with its content, or with what is wrong with it."""
    count = 0
    try:
        for path in sorted(root.rglob("*")):
            if "__pycache__" in path.parts or (path.is_dir() and not path.is_symlink()):
                continue
            count += 1
            yield _read(root, path)
            if count > MOST_FILES:
                yield "", f"it has more than {MOST_FILES} files."
                return
    except (OSError, RecursionError):
        yield "", "its folders cannot be read, or are nested too deep."
        return
    if not count:
        yield "", "it is missing or empty."


def _read(root: Path, path: Path) -> tuple[str, bytes | str]:
    name = str(path.relative_to(root))
    if plain_name(name) != name:
        return plain_name(name), "its name is not written in UTF-8."
    if path.is_symlink() or not path.is_file():
        return name, "only plain files can be part of a task."
    if ".git" in path.relative_to(root).parts:
        return name, "a repository is given as files, without its .git."
    try:
        path_parts(name)
    except PathRefused:
        return name[:200], "its path has more than 1,000 characters, a backslash, a ~ in front or a .git in it."
    try:
        return name, read_file(root, name)
    except NoFile as odd:
        return name, str(odd)
