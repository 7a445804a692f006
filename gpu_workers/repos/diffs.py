"""What changes between two commits or trees, with sizes kept in hand, and a hash that an approval can name."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

from gpu_workers.repos.bounds import refuse_unfolding
from gpu_workers.repos.git import OutputTooLong, git
from gpu_workers.repos.redacting import redacted_hunks
from guildhall.kernel.redaction import reveals
from guildhall.kernel.unseen import SPACES, hiding_in, seen

PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
RENAMES = ("-M", "-l200")
"""What was moved and changed is found among so many files that go and that come: each is compared with each. Of more, what was
moved unchanged is found, and the rest is told as added and deleted."""
PLAINLY = {"GIT_INDEX_FILE": "/nonexistent/index", "GIT_LITERAL_PATHSPECS": "1"}
"""Names are no patterns, and there is no index: from one, git takes the attributes that tell it what is binary, and what a
commit's own `.gitattributes` says hides nothing of it."""
STATUS = {"A": "added", "D": "deleted", "M": "modified", "R": "renamed", "C": "copied", "T": "type_changed"}

NAMING = ("added", "renamed", "copied")


@dataclass(frozen=True, slots=True)
class DiffLimits:
    """Bytes of text per file and in all, and number of files that carry text; the rest is counted only."""

    file_bytes: int = 64 * 1024
    total_bytes: int = 1024 * 1024
    files: int = 300


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One changed file. `text` is its unified hunks, empty for binary files; `truncated` says that some is missing.

    Names that are no UTF-8 have marks in place of such bytes: they are shown and kept, and lead to no file. Secrets in the
    text are redacted: what is shown, asked of models and kept is never the repository's own secret. `reveals`
    says that there is one in what was added. So are characters that nobody sees as what they are: the text has their codes
    in place of them, and `hides` says that there are some in it or in a name. `hides_new` says that something other than a
    space is in what was added, shown or not, or in a name that was given.
    """

    path: str
    old_path: str | None
    status: str
    added: int
    removed: int
    text: str
    binary: bool
    truncated: bool
    reveals: bool = False
    hides: bool = False
    hides_new: bool = False


def diff(repo: Path, base: str, head: str, limits: DiffLimits | None = None) -> list[FileDiff]:
    """Changed files between two commits or trees, renames found, in path order."""
    limits = limits or DiffLimits()
    pair = _pair(repo, base, head)
    changes = _changes(differing(repo, "-z", "--raw", "--numstat", "--full-index", *RENAMES, *pair).split(b"\0"))
    small = sum(change.added + change.removed for change in changes) <= limits.total_bytes // 8
    texts = _texts(repo, *pair) if small else []
    if len(texts) != len(changes):
        texts = [
            _one(repo, pair, change, limits) if number < limits.files else b"" for number, change in enumerate(changes)
        ]
    result, room = [], limits.total_bytes
    for number, (change, content) in enumerate(zip(changes, texts, strict=True)):
        allowed = min(limits.file_bytes, room) if number < limits.files else 0
        kept = content if len(content) <= allowed else content[:allowed].rpartition(b"\n")[0]
        room -= len(kept)
        missing = len(kept) < len(content) or (not content and change.added + change.removed > 0)
        shown = _shown(change, "" if change.binary else kept.decode("utf-8", "replace"), allowed, missing)
        result.append(replace(shown, hides_new=_hides_new(shown, content)))
    return result


def _shown(change: FileDiff, text: str, allowed: int, missing: bool) -> FileDiff:
    """A file as it is told, with what is kept of its hunks. Codes are longer than what they stand for."""
    path, old_path = plain_name(change.path), None if change.old_path is None else plain_name(change.old_path)
    clean = redacted_hunks(text)
    shown = seen(clean)
    return replace(
        change,
        path=path,
        old_path=old_path,
        text=shown if len(shown) <= allowed else shown[:allowed].rpartition("\n")[0],
        truncated=(missing or len(shown) > allowed) and not change.binary,
        reveals=reveals(_added(text)),
        hides=shown != clean or any(seen(name, "") != name for name in (path, old_path or "")),
    )


def _hides_new(file: FileDiff, content: bytes) -> bool:
    """Judged by all of its hunks that are known, also where not all of them are shown."""
    name = file.path if file.status in NAMING else ""
    if seen(name, SPACES) != name:
        return True
    plain = "\n\t" + SPACES
    if not hiding_in(content, plain):
        return False
    new = _added(content.decode("utf-8", "replace"))
    return seen(new, plain) != new


def headline(file: FileDiff) -> str:
    """What happened to a file, in the line that models are told of it."""
    hides = ", with characters that cannot be seen" if file.hides else ""
    return f"{file.status} {seen(file.path, '')} (+{file.added} -{file.removed}{hides})"


def plain_name(path: str) -> str:
    """A path as git's bytes were decoded, with marks in place of what is no UTF-8: records, pages and models take text alone."""
    return os.fsencode(path).decode("utf-8", "replace")


def changed_paths(repo: Path, base: str, head: str) -> list[str]:
    """Every path that differs between two commits or trees, links and both names of what was moved included.

    Undecodable bytes are surrogate escapes, so that the paths lead to their files; `plain_name` makes text of them.
    """
    names = differing(repo, "-z", "--name-only", "--no-renames", *_pair(repo, base, head)).split(b"\0")
    return [os.fsdecode(name) for name in names if name]


def differing(repo: Path, *words: str) -> bytes:
    """What git tells of the files that differ, whatever their attributes say of them."""
    return git(repo, "diff-tree", "-r", *PLAIN, *words, env=PLAINLY)


def _added(text: str) -> str:
    return "\n".join(line[1:] for line in text.split("\n") if line.startswith("+"))


def _one(repo: Path, pair: tuple[str, str], change: FileDiff, limits: DiffLimits) -> bytes:
    """The text of one file, asked for alone where all of them together would be too much."""
    if change.binary or change.added + change.removed > limits.file_bytes:
        return b""
    names = [name for name in (change.old_path, change.path) if name]
    texts = _texts(repo, *pair, "--", *names)
    return texts[0] if len(texts) == 1 else b""


def _changes(told: list[bytes]) -> list[FileDiff]:
    """What happened to each file comes first, then the counts of each, in the same order; a rename has two names in both."""
    happened, at = [], 0
    while told[at].startswith(b":"):
        status = told[at].split()[4].decode()[0]
        names = told[at + 1 : at + (3 if status in "RC" else 2)]
        happened.append((status, names))
        at += 1 + len(names)
    changes = []
    for status, names in happened:
        added, removed, _ = told[at].split(b"\t", 2)
        changes.append(
            FileDiff(
                path=os.fsdecode(names[-1]),
                old_path=os.fsdecode(names[0]) if len(names) > 1 else None,
                status=STATUS.get(status, "modified"),
                added=0 if added == b"-" else int(added),
                removed=0 if removed == b"-" else int(removed),
                text="",
                binary=added == b"-",
                truncated=False,
            )
        )
        at += 3 if len(names) > 1 else 1
    return changes


def _texts(repo: Path, *words: str) -> list[bytes]:
    """The hunks of each file, none where lines are so long that they cannot be held.

    Lines of content start with a sign or a blank, so headers cannot be forged.
    """
    texts: list[bytes] = []
    try:
        patch = differing(repo, "-p", *RENAMES, *words)
    except OutputTooLong:
        return texts
    for block in (b"\n" + patch).split(b"\ndiff --git ")[1:]:
        at = block.find(b"\n@@ ")
        texts.append(block[at + 1 :].removesuffix(b"\n") + b"\n" if at >= 0 else b"")
    return texts


def diff_hash(repo: Path, base: str, head: str) -> str:
    """SHA-256, in hex, of exactly what changes: path, modes and contents before and after of every file."""
    words = ("-z", "--raw", "--full-index", "--no-abbrev", "--no-renames", *_pair(repo, base, head))
    return hashlib.sha256(differing(repo, *words)).hexdigest()


def _pair(repo: Path, base: str, head: str) -> tuple[str, str]:
    """Both, once it is sure that git can hold what differs between them. Raises TreeTooLarge."""
    refuse_unfolding(repo, base, head)
    return base, head
