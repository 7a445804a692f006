"""Contents of files as git says them, one after the other: however many and large they are, no more than a piece is held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from gpu_workers.repos.collecting import PIECE
from gpu_workers.repos.git import GitError, reading
from gpu_workers.repos.stopping import refuse_stopped


class Blobs:
    """Each content is taken once, in the order in which they were asked for; all of them are to be taken.

    Raises GitError for what is no file, and where git ends before its time.
    """

    def __init__(self, said: BinaryIO) -> None:
        self._said = said

    def copy(self, into: BinaryIO) -> None:
        """Write the next content into a file. Raises OSError, and GitStopped between two of them."""
        refuse_stopped()
        name, kind, *size = self._said.readline().decode().split() or ("", "")
        if kind in ("", "missing"):
            raise GitError(f"git cat-file: {name} {kind or 'it ended before its time'}", 1)
        if kind != "blob":
            raise GitError(f"{name} is not a file.")
        left = int(size[0])
        while left:
            piece = self._said.read(min(left, PIECE))
            if not piece:
                raise GitError(f"git cat-file: it ended {left} bytes before the end of {name}", 1)
            into.write(piece)
            left -= len(piece)
        self._said.read(1)

    def whole(self) -> bytes:
        """The next content, in memory."""
        into = BytesIO()
        self.copy(into)
        return into.getvalue()


@contextmanager
def contents(repo: Path, names: Sequence[str]) -> Iterator[Blobs]:
    """The contents of the blobs `names`, from one git process."""
    asked = "".join(f"{name}\n" for name in names).encode()
    with reading(repo, "cat-file", "--batch", data=asked) as said:
        yield Blobs(said)
