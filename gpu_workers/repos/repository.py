"""Bare repositories on disk and the commits that we write ourselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gpu_workers.repos.git import GitError, UnfitBranch, checked_branch, checked_default, checked_sha, git, text

MAIN = "main"
REGULAR, EXECUTABLE, LINK, SUBMODULE = "100644", "100755", "120000", "160000"


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signs a commit."""

    name: str
    email: str

    def __post_init__(self) -> None:
        if not self.name.strip() or any(mark in self.name + self.email for mark in "<>\n\r\0"):
            raise GitError("A signature needs a name, and neither < nor > nor line breaks.")


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One path of a tree to write: raw path bytes, mode, and the id of an object that exists."""

    path: bytes
    mode: str
    object_id: str


def write_tree(git_dir: Path, files: Sequence[TreeFile], index: Path) -> str:
    """The id of the tree with exactly these files. `index` is a scratch file, removed again."""
    index.unlink(missing_ok=True)
    lines = b"".join(f"{entry.mode} {entry.object_id}\t".encode() + entry.path + b"\0" for entry in files)
    environment = {"GIT_INDEX_FILE": str(index)}
    try:
        git(git_dir, "update-index", "-z", "--index-info", data=lines, env=environment)
        return text(git(git_dir, "write-tree", env=environment))
    finally:
        index.unlink(missing_ok=True)


def write_blob(git_dir: Path, content: bytes) -> str:
    return text(git(git_dir, "hash-object", "-w", "--no-filters", "--stdin", data=content))


def commit_tree(
    git_dir: Path,
    tree: str,
    parents: Sequence[str],
    message: str,
    author: Signature,
    when: datetime,
    committer: Signature | None = None,
    committed: datetime | None = None,
) -> str:
    """The id of the commit; the same arguments always give the same id. `when` must be aware."""
    if when.tzinfo is None:
        raise GitError("The time of a commit must have a time zone.")
    committer = committer or author
    environment = {
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.email,
        "GIT_AUTHOR_DATE": f"@{int(when.timestamp())} +0000",
        "GIT_COMMITTER_NAME": committer.name,
        "GIT_COMMITTER_EMAIL": committer.email,
        "GIT_COMMITTER_DATE": f"@{int((committed or when).timestamp())} +0000",
    }
    words = [word for parent in parents for word in ("-p", checked_sha(parent))]
    clean = message.replace("\0", "").strip() + "\n"
    return text(git(git_dir, "commit-tree", checked_sha(tree), *words, data=clean.encode(), env=environment))


def init(git_dir: Path, *, bare: bool) -> None:
    git_dir.mkdir(parents=True, exist_ok=True)
    git(git_dir, "init", "--quiet", "--template=", *(["--bare"] if bare else []))
    git(git_dir, "symbolic-ref", "HEAD", f"refs/heads/{MAIN}")


def create_repository(path: Path, files: Mapping[str, bytes], author: Signature, when: datetime) -> str:
    """A bare repository whose branch `main` has one commit with these files; the id of that commit.

    Called again with the same arguments it changes nothing. Raises GitError where something else is there.
    """
    if not files:
        raise GitError("A repository starts with at least one file.")
    init(path, bare=True)
    entries = [
        TreeFile(name.encode(), EXECUTABLE if content.startswith(b"#!") else REGULAR, write_blob(path, content))
        for name, content in sorted(files.items())
    ]
    tree = write_tree(path, entries, path / "guildhall-index")
    sha = commit_tree(path, tree, [], "Start of the repository", author, when)
    present = branch_head(path, MAIN)
    if present is None:
        update_branch(path, MAIN, sha, None)
    elif text(git(path, "rev-list", "--max-parents=0", MAIN)) != sha:
        raise GitError(f"There is another repository at {path.name} already.")
    return sha


def open_branch(git_dir: Path, branch: str, start: str) -> None:
    """Make `branch`, that changes are to be merged into, where the branch `start` stands, unless it exists.

    Raises UnfitBranch for one that cannot or must not be, GitError when there is neither.
    """
    if branch_head(git_dir, checked_default(branch)) is not None:
        return
    sha = branch_head(git_dir, start)
    if sha is None:
        raise GitError(f"There is neither a branch {branch} nor {start}.")
    if other := _in_the_way(git_dir, branch):
        raise UnfitBranch(f"It has a branch {other}, beside which git has no {branch}.")
    update_branch(git_dir, branch, sha, None)


def _in_the_way(git_dir: Path, branch: str) -> str:
    """A branch above or below `branch`: git keeps the one as a file, and what is below in a folder of the same name."""
    found = text(git(git_dir, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/")).splitlines()
    return next((one for one in found if f"{one}/".startswith(f"{branch}/") or f"{branch}/".startswith(f"{one}/")), "")


def branch_head(git_dir: Path, branch: str) -> str | None:
    """The commit that a branch stands on, None where there is no such branch."""
    reference = f"refs/heads/{checked_branch(branch)}"
    found = text(git(git_dir, "for-each-ref", "--format=%(objectname) %(refname)", reference))
    for line in found.splitlines():
        sha, _, name = line.partition(" ")
        if name == reference:
            return sha
    return None


def branches_from(git_dir: Path, start: str) -> list[str]:
    """The branches whose names begin with `start`."""
    found = git(
        git_dir, "for-each-ref", "--format=%(refname:lstrip=2)", f"refs/heads/{checked_branch(f'{start}x')[:-1]}*"
    )
    return text(found).splitlines()


def update_branch(git_dir: Path, branch: str, sha: str, expected: str | None) -> None:
    """Move a branch from `expected` (None: it must not exist) to `sha` in one step. Raises GitError otherwise."""
    old = "0" * 40 if expected is None else checked_sha(expected)
    git(git_dir, "update-ref", "--no-deref", f"refs/heads/{checked_branch(branch)}", checked_sha(sha), old)


def put_back(git_dir: Path, branch: str, sha: str, before: str | None) -> None:
    """A branch that is on `sha` is where it was again (None: nowhere). Raises GitError where it has moved on."""
    if before is not None:
        update_branch(git_dir, branch, before, sha)
    else:
        git(git_dir, "update-ref", "--no-deref", "-d", f"refs/heads/{checked_branch(branch)}", checked_sha(sha))
