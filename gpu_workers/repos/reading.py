"""Reading commits, trees and files from the object store; nothing here looks at a working tree."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gpu_workers.confined import PathRefused, made_folder
from gpu_workers.repos.blobs import Blobs, contents
from gpu_workers.repos.bounds import refuse_unfolding
from gpu_workers.repos.git import GitError, checked_sha, git, text
from gpu_workers.repos.repository import EXECUTABLE, LINK, SUBMODULE, branch_head

MAX_FILE = 64 * 1024 * 1024
MAX_CHECKOUT = 2 * 1024 * 1024 * 1024
"""Bytes of all files of a tree: a file that is there often is written often."""
LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class CommitInfo:
    sha: str
    parents: tuple[str, ...]
    author: str
    email: str
    when: datetime
    subject: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a tree. `path` shows undecodable bytes as surrogate escapes; `size` is None for submodules."""

    path: str
    mode: str
    object_id: str
    size: int | None

    @property
    def is_link(self) -> bool:
        return self.mode == LINK

    @property
    def is_submodule(self) -> bool:
        return self.mode == SUBMODULE


def head_of(repo: Path, branch: str) -> str:
    """The commit that a branch stands on. Raises GitError where there is none."""
    sha = branch_head(repo, branch)
    if sha is None:
        raise GitError(f"There is no branch {branch}.")
    return sha


def tree_id(repo: Path, commit: str) -> str:
    """The id of a commit's tree."""
    return text(git(repo, "rev-parse", f"{checked_sha(commit)}^{{tree}}"))


def merge_base(repo: Path, left: str, right: str) -> str:
    return text(git(repo, "merge-base", checked_sha(left), checked_sha(right)))


def ls_tree(repo: Path, sha: str) -> list[TreeEntry]:
    """All files of a commit, submodules and links included as what they are. Raises TreeTooLarge before it reads too much."""
    refuse_unfolding(repo, sha)
    entries = []
    for line in git(repo, "ls-tree", "-r", "-z", "--long", "--full-tree", checked_sha(sha)).split(b"\0"):
        if line:
            about, _, path = line.partition(b"\t")
            mode, _, object_id, size = about.decode().split()
            entries.append(TreeEntry(os.fsdecode(path), mode, object_id, None if size == "-" else int(size)))
    return entries


def read_file(repo: Path, sha: str, path: str, limit: int = MAX_FILE) -> bytes:
    """Content of one file of a commit; of a link, the target's name. Raises GitError where missing or too big."""
    for entry in ls_tree(repo, sha):
        if entry.path == path:
            if entry.size is None or entry.size > limit:
                raise GitError(f"{path} is a submodule or larger than {limit} bytes.")
            return git(repo, "cat-file", "blob", entry.object_id)
    raise GitError(f"There is no file {path} at {sha[:12]}.")


def log(repo: Path, head: str, base: str | None = None, limit: int = 100) -> list[CommitInfo]:
    """Commits reachable from `head` and not from `base`, newest first."""
    span = [checked_sha(head), *([f"^{checked_sha(base)}"] if base else [])]
    output = git(
        repo, "log", "-z", "--no-show-signature", f"-n{limit}", "--format=%H%n%P%n%an%n%ae%n%at%n%s%n%b", *span, "--"
    )
    commits = []
    for block in output.decode("utf-8", "replace").split("\0"):
        if block:
            sha, parents, author, email, at, subject, body = block.split("\n", 6)
            commits.append(
                CommitInfo(sha, tuple(parents.split()), author, email, moment(at), subject.strip(), body.strip())
            )
    return commits


def moment(at: str) -> datetime:
    """When a commit says that it was made, at the latest in the last second that there is a date for: git knows later ones."""
    return datetime.fromtimestamp(min(int(at), LAST_SECOND), UTC)


def checkout_tree(repo: Path, sha: str, destination: Path) -> int:
    """Write the files of a commit into the empty folder `destination`; the number of files.

    Bytes are written as stored: no filter, no line-end conversion. Submodules become empty folders. A tree that git's own
    rules forbid, or whose names could leave the folder or name a git directory, makes it raise GitError before anything
    is written. Every folder on the way is one that was made here: nothing is written through a link, whatever lies there.
    """
    entries = ls_tree(repo, sha)
    refuse_malformed(entries)
    _refuse_links_to_nowhere(repo, [entry for entry in entries if entry.is_link])
    destination.mkdir(parents=True, exist_ok=True, mode=0o755)
    if any(destination.iterdir()):
        raise GitError(f"{destination.name} is not empty.")
    folders: dict[str, list[TreeEntry]] = {}
    for entry in entries:
        folders.setdefault(entry.path.rpartition("/")[0], []).append(entry)
    ordered = [entry.object_id for inside in folders.values() for entry in inside if not entry.is_submodule]
    with contents(repo, ordered) as blobs:
        for folder, inside in folders.items():
            try:
                with made_folder(destination, folder.split("/") if folder else []) as fd:
                    for entry in inside:
                        _put(fd, entry, blobs)
            except (OSError, PathRefused) as problem:
                raise GitError(f"{folder or 'The root'!r} cannot be checked out: {problem}") from problem
    return len(entries)


def refuse_malformed(entries: Sequence[TreeEntry]) -> None:
    """Raises GitError for names that cannot be files below one folder: two of the same, or one below a file or a link."""
    names = {entry.path for entry in entries}
    if len(names) < len(entries):
        twice = next(path for path, count in Counter(entry.path for entry in entries).items() if count > 1)
        raise GitError(f"{twice!r} is there twice and cannot be checked out.")
    for entry in entries:
        parts = entry.path.split("/")
        if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
            raise GitError(f"{entry.path!r} cannot be checked out.")
        if entry.size is not None and entry.size > MAX_FILE:
            raise GitError(f"{entry.path!r} is larger than {MAX_FILE} bytes.")
    folders = {""}
    for entry in entries:
        above = entry.path.rpartition("/")[0]
        while above not in folders:
            if above in names:
                raise GitError(f"{above!r} is both a folder and none, and cannot be checked out.")
            folders.add(above)
            above = above.rpartition("/")[0]
    if sum(entry.size or 0 for entry in entries) > MAX_CHECKOUT:
        raise GitError(f"Its files together are larger than {MAX_CHECKOUT} bytes and cannot be checked out.")


def _refuse_links_to_nowhere(repo: Path, links: Sequence[TreeEntry]) -> None:
    """Raises GitError for a link whose target no file system can hold."""
    if not links:
        return
    with contents(repo, [link.object_id for link in links]) as blobs:
        for link in links:
            if not (target := blobs.whole()) or b"\0" in target:
                raise GitError(f"{link.path!r} is a link to nowhere and cannot be checked out.")


def _put(folder: int, entry: TreeEntry, blobs: Blobs) -> None:
    """Make one entry in the open folder, where nothing of its name is yet; its content is the next one. Raises OSError."""
    name = entry.path.rpartition("/")[2]
    if entry.is_submodule:
        os.mkdir(name, 0o755, dir_fd=folder)
    elif entry.is_link:
        os.symlink(blobs.whole(), os.fsencode(name), dir_fd=folder)
    else:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
        with open(fd, "wb") as stream:
            blobs.copy(stream)
            os.fchmod(stream.fileno(), 0o755 if entry.mode == EXECUTABLE else 0o644)
