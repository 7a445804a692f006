"""Reading commits, trees and files from the object store; nothing here looks at a working tree."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gpu_workers.repos.git import GitError, checked_sha, git, text
from gpu_workers.repos.repository import EXECUTABLE, LINK, SUBMODULE, branch_head

MAX_FILE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CommitInfo:
    sha: str
    parents: tuple[str, ...]
    author: str
    email: str
    when: datetime
    subject: str


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


def merge_base(repo: Path, left: str, right: str) -> str:
    return text(git(repo, "merge-base", checked_sha(left), checked_sha(right)))


def ls_tree(repo: Path, sha: str) -> list[TreeEntry]:
    """All files of a commit, submodules and links included as what they are."""
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
        repo, "log", "-z", "--no-show-signature", f"-n{limit}", "--format=%H%n%P%n%an%n%ae%n%at%n%s", *span, "--"
    )
    commits = []
    for block in output.decode("utf-8", "replace").split("\0"):
        if block:
            sha, parents, author, email, at, subject = block.split("\n", 5)
            when = datetime.fromtimestamp(int(at), UTC)
            commits.append(CommitInfo(sha, tuple(parents.split()), author, email, when, subject.strip()))
    return commits


def checkout_tree(repo: Path, sha: str, destination: Path) -> int:
    """Write the files of a commit into the empty folder `destination`; the number of files.

    Bytes are written as stored: no filter, no line-end conversion. Submodules become empty folders. Paths that could
    leave the folder or name a git directory make it raise GitError before anything is written.
    """
    entries = ls_tree(repo, sha)
    for entry in entries:
        parts = entry.path.split("/")
        if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
            raise GitError(f"{entry.path!r} cannot be checked out.")
        if entry.size is not None and entry.size > MAX_FILE:
            raise GitError(f"{entry.path!r} is larger than {MAX_FILE} bytes.")
    destination.mkdir(parents=True, exist_ok=True, mode=0o755)
    blobs = _contents(repo, [entry.object_id for entry in entries if not entry.is_submodule])
    # Links last: no file of ours is ever written through one.
    for entry in sorted(entries, key=lambda found: found.is_link):
        place = destination / entry.path
        (place if entry.is_submodule else place.parent).mkdir(parents=True, exist_ok=True)
        if entry.is_link:
            os.symlink(blobs[entry.object_id], os.fsencode(place))
        elif not entry.is_submodule:
            place.write_bytes(blobs[entry.object_id])
            place.chmod(0o755 if entry.mode == EXECUTABLE else 0o644)
    return len(entries)


def _contents(repo: Path, object_ids: list[str]) -> dict[str, bytes]:
    """Contents by object id, from one git process."""
    wanted = sorted(set(object_ids))
    output = git(repo, "cat-file", "--batch", data="".join(f"{name}\n" for name in wanted).encode())
    contents, at = {}, 0
    for name in wanted:
        end = output.index(b"\n", at)
        _, kind, size = output[at:end].decode().split()
        if kind != "blob":
            raise GitError(f"{name} is not a file.")
        contents[name] = output[end + 1 : end + 1 + int(size)]
        at = end + 2 + int(size)
    return contents
