"""Secrets among what was added between two commits or trees, however large a file is and whatever it holds."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from gpu_workers.repos.diffs import PLAIN, RENAMES, diff, differing
from gpu_workers.repos.git import stream
from guildhall.kernel.redaction import reveals

WINDOW = 256 * 1024
OVERLAP = 8 * 1024
"""A secret is looked for across the edges of what is read at once: keys in PEM are the longest."""


def leaking(repo: Path, base: str, head: str) -> list[str]:
    """Paths in which something that was added reads like a secret. What diffs cut, for its length or as binary, is read whole."""
    files = diff(repo, base, head)
    found = []
    for file, (before, after) in zip(files, _contents(repo, base, head), strict=True):
        unread = (file.truncated or file.binary) and after
        if file.reveals or (unread and any(map(reveals, _windows(_added(repo, before, after))))):
            found.append(file.path)
    return found


def _contents(repo: Path, base: str, head: str) -> Iterator[tuple[str, str]]:
    """The ids of each changed file's content before and after, "" for none, in the order of `diff`."""
    raw = differing(repo, "-z", "--raw", "--full-index", "--no-abbrev", *RENAMES, base, head)
    fields = iter(raw.decode("utf-8", "surrogateescape").split("\0"))
    for field in fields:
        if not field:
            return
        was, now, before, after, status = field.removeprefix(":").split()
        for _ in range(2 if status[0] in "RC" else 1):
            next(fields)
        yield _blob(was, before), _blob(now, after)


def _blob(mode: str, sha: str) -> str:
    """Commits of other repositories and nothing at all have no content here."""
    return "" if mode in ("000000", "160000") else sha


def _added(repo: Path, before: str, after: str) -> Iterator[bytes]:
    """What `after` has and `before` has not, line by line where git can tell, with what marks its lines."""
    if not before:
        yield from stream(repo, "cat-file", "blob", after)
        return
    lines = stream(repo, "diff", "--text", "--unified=0", *PLAIN, before, after)
    yield from _with_plus(lines)


def _with_plus(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Of a diff without context, in pieces of any length, what stands in lines that begin with a plus."""
    begins, keeps = True, False
    for piece in pieces:
        for line in piece.splitlines(keepends=True):
            if begins:
                keeps = line.startswith(b"+")
            if keeps:
                yield line[1:] if begins else line
            begins = line.endswith(b"\n")


def _windows(pieces: Iterable[bytes]) -> Iterator[str]:
    """The same as text, `WINDOW` bytes at a time, each with the end of the one before."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= WINDOW:
            yield held.decode("utf-8", "replace")
            del held[:-OVERLAP]
    yield held.decode("utf-8", "replace")
