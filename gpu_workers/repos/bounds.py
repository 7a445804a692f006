"""How far a tree may unfold: a few kilobytes of trees that name each other again and again are as many files as one likes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from gpu_workers.repos.git import GitError, checked_sha, stream

MAX_ENTRIES = 200_000
"""Files and folders of one tree: twice what a large repository has, and no more than a second's work to look through."""
MAX_DEPTH = 256
"""Folders within each other: what is written by people and tools stays far below, and every reader goes down this far."""
MAX_PATH = 4095
"""Bytes of one path: the kernel opens none that is longer."""
MAX_PATHS = 64 * 1024 * 1024
"""Bytes of all paths of one tree together: they are held in memory wherever two trees are compared."""
MOST_REMEMBERED = 10_000


class TreeTooLarge(GitError):
    """A tree that unfolds into more than is worked with. The message is for whoever brought it."""


class Extent:
    """Counts the files and folders of one tree. `name` is what the refusal calls it."""

    def __init__(self, name: str) -> None:
        self._name, self._entries, self._bytes = name, 0, 0

    def add(self, paths: Iterable[bytes]) -> None:
        """Raises TreeTooLarge at the first that is too many, too deep or too long."""
        for path in paths:
            self._entries += 1
            self._bytes += len(path)
            if self._entries > MAX_ENTRIES:
                raise self._refusal(f"more than {MAX_ENTRIES} files and folders")
            if len(path) > MAX_PATH:
                raise self._refusal(f"a path of more than {MAX_PATH} bytes")
            if path.count(b"/") > MAX_DEPTH:
                raise self._refusal(f"more than {MAX_DEPTH} folders within each other")
        if self._bytes > MAX_PATHS:
            raise self._refusal(f"paths of more than {MAX_PATHS} bytes together")

    def _refusal(self, what: str) -> TreeTooLarge:
        return TreeTooLarge(f"{self._name} holds {what}; that is more than is worked with.")


_fitting: dict[str, None] = {}


def refuse_unfolding(repo: Path, *shas: str) -> None:
    """Raises TreeTooLarge for commits or trees that unfold into too much, having read no more of them than is allowed.

    An id stands for its content for ever: each is looked through once in a process.
    """
    for sha in shas:
        if checked_sha(sha) in _fitting:
            continue
        extent, rest = Extent(f"The tree of {sha[:12]}"), b""
        # Folders are counted too: there may be millions of them without a single file.
        listing = stream(repo, "ls-tree", "-r", "-t", "-z", "--name-only", "--full-tree", sha)
        with closing(listing) as pieces:
            for piece in pieces:
                *paths, rest = (rest + piece).split(b"\0")
                extent.add(paths if len(rest) <= MAX_PATH else (*paths, rest))
        remember_fitting(sha)


def remember_fitting(sha: str) -> None:
    """This one has been counted already."""
    if len(_fitting) >= MOST_REMEMBERED:
        _fitting.clear()
    _fitting[sha] = None
