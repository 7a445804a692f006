"""The clone of one run: a working tree for the sandbox, and beside it a git directory for the host."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gpu_workers.repos.bounds import MAX_ENTRIES, Extent, TreeTooLarge, refuse_unfolding, remember_fitting
from gpu_workers.repos.diffs import FileDiff, changed_paths, diff, plain_name
from gpu_workers.repos.git import GitError, TooMuchWork, checked_branch, checked_sha, git
from gpu_workers.repos.reading import checkout_tree, ls_tree
from gpu_workers.repos.repository import (
    EXECUTABLE,
    LINK,
    REGULAR,
    SUBMODULE,
    Signature,
    TreeFile,
    branch_head,
    commit_tree,
    init,
    update_branch,
    write_blob,
    write_tree,
)
from gpu_workers.repos.stopping import refuse_stopped
from gpu_workers.sandbox.workspace import remove_tree

MAX_FILE = 64 * 1024 * 1024
IGNORING_S = 20
"""Seconds of the processor for telling what is left out: four hundred patterns for each of 200,000 files take 13, and a few
words of stars can take any number for one."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where one run works. `tree` goes to the sandbox, writable; `git_dir` at most read-only."""

    root: Path

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def git_dir(self) -> Path:
        return self.root / "git"

    @property
    def ready(self) -> bool:
        return (self.root / "ready").exists()


def clone_workspace(repo: Path, destination: Path, branch: str, base_sha: str) -> Workspace:
    """A fresh clone of `base_sha` on `branch`; called again it returns the one that is there.

    An unfinished one (the worker died in between) is made anew. Only what `base_sha` reaches is copied.
    """
    workspace = Workspace(destination)
    if workspace.ready and not destination.is_symlink():
        if branch_head(workspace.git_dir, branch) is None:
            raise GitError(f"{destination.name} holds the workspace of another branch.")
        return workspace
    if os.path.lexists(destination):
        remove_tree(destination)
    refuse_unfolding(repo, base_sha)
    destination.mkdir(parents=True, mode=0o755)
    init(workspace.git_dir, bare=False)
    _fetch(workspace.git_dir, repo, base_sha)
    update_branch(workspace.git_dir, branch, base_sha, None)
    git(workspace.git_dir, "symbolic-ref", "HEAD", f"refs/heads/{checked_branch(branch)}")
    git(workspace.git_dir, "config", "core.bare", "false")
    checkout_tree(workspace.git_dir, base_sha, workspace.tree)
    git(workspace.git_dir, "read-tree", base_sha)
    # The mount point of the git directory inside the sandbox.
    (workspace.tree / ".git").mkdir()
    (destination / "ready").touch()
    return workspace


def remove_workspace(workspace: Workspace) -> None:
    with suppress(OSError):
        remove_tree(workspace.root)


def _fetch(git_dir: Path, source: Path, sha: str) -> None:
    environment = {"GIT_ALLOW_PROTOCOL": "file"}
    words = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", str(source), checked_sha(sha))
    git(git_dir, "fetch", *words, env=environment)


def commit_all(
    workspace: Workspace, branch: str, parent: str, message: str, author: Signature, when: datetime
) -> str | None:
    """Commit the working tree as the child of `parent`; None where nothing differs from it.

    The same tree, parent, message, author and time give the same id, so a run that died right after it repeats the
    same commit. Files that `.gitignore` names are left out unless `parent` has them. Links are stored as links;
    devices, sockets and nested repositories are left out.
    """
    return commit_held(workspace, branch, parent, tree_of(workspace, parent), message, author, when)


def commit_held(
    workspace: Workspace, branch: str, parent: str, tree: str, message: str, author: Signature, when: datetime
) -> str | None:
    """The same of `tree` (an id that `tree_of` gave), whatever the working tree holds by now."""
    # Not by the trees' ids: those of an old history may write the same modes in another way.
    if not changed_paths(workspace.git_dir, parent, tree):
        return None
    sha = commit_tree(workspace.git_dir, tree, [parent], message, author, when)
    git(workspace.git_dir, "update-ref", "--no-deref", f"refs/heads/{checked_branch(branch)}", sha)
    git(workspace.git_dir, "read-tree", sha)
    return sha


def workspace_diff(workspace: Workspace, base: str) -> list[FileDiff]:
    """What the working tree changes against `base`, before any commit."""
    return diff(workspace.git_dir, base, tree_of(workspace, base))


def restore_tree(workspace: Workspace, tree: str) -> None:
    """Make the working tree what `tree` (an id that `tree_of` gave) says; what else lies there goes."""
    fresh = workspace.root / "restored"
    remove_tree(fresh)
    checkout_tree(workspace.git_dir, tree, fresh)
    (fresh / ".git").mkdir()
    remove_tree(workspace.tree)
    fresh.rename(workspace.tree)


def tree_of(workspace: Workspace, parent: str) -> str:
    """The id of the tree that the working tree holds now."""
    tracked = {os.fsencode(entry.path): entry for entry in ls_tree(workspace.git_dir, parent)}
    found = _walk(workspace.tree)
    Extent("The workspace").add(found)
    ignored = _ignored(workspace, [path for path in found if path not in tracked])
    files = []
    for path, mode in found.items():
        refuse_stopped()
        if path not in ignored:
            content = _read(workspace.tree, path, mode)
            if len(content) > MAX_FILE:
                name = plain_name(os.fsdecode(path))
                raise GitError(f"{name!r} is larger than {MAX_FILE} bytes and cannot be committed.")
            known = tracked[path].object_id if path in tracked else ""
            # A process per file is slow: what has not changed is in the store already.
            same = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == known
            files.append(TreeFile(path, mode, known if same else write_blob(workspace.git_dir, content)))
    for path, entry in tracked.items():
        if entry.mode == SUBMODULE and (workspace.tree / os.fsdecode(path)).is_dir():
            files.append(TreeFile(path, SUBMODULE, entry.object_id))
    tree = write_tree(workspace.git_dir, files, workspace.root / "index")
    remember_fitting(tree)
    return tree


def _walk(tree: Path) -> dict[bytes, str]:
    """Path -> mode of every file and link; goes neither through links nor into git directories.

    Raises GitError for what git could not read to the end there.
    """
    found: dict[bytes, str] = {}
    root = os.fsencode(tree)
    for folder, names, files in os.walk(root):
        inside = os.path.relpath(folder, root)
        nested = folder != root and any(name.lower() == b".git" for name in (*names, *files))
        links = [name for name in names if os.path.islink(os.path.join(folder, name))]
        names[:] = [] if nested else [name for name in names if name not in links and name.lower() != b".git"]
        for name in () if nested else (*files, *links):
            status = os.lstat(os.path.join(folder, name))
            mode, path = _mode(status), name if inside == b"." else os.path.join(inside, name)
            if mode is None and name == b".gitignore":
                # git opens it, and a pipe would keep it waiting for somebody who writes.
                where = plain_name(os.fsdecode(path))
                raise GitError(f"{where!r} is no file: it cannot say what is to be left out. Remove it.")
            if mode is not None and name.lower() != b".git":
                found[path] = mode
        if len(found) > MAX_ENTRIES:
            raise TreeTooLarge(f"The workspace holds more than {MAX_ENTRIES} files; that is more than is worked with.")
    return found


def _mode(status: os.stat_result) -> str | None:
    if stat.S_ISLNK(status.st_mode):
        return LINK
    if not stat.S_ISREG(status.st_mode):
        return None
    return EXECUTABLE if status.st_mode & stat.S_IXUSR else REGULAR


def _read(tree: Path, path: bytes, mode: str) -> bytes:
    place = os.path.join(os.fsencode(tree), path)
    if mode == LINK:
        return os.readlink(place)
    fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(fd, "rb") as stream:
        return stream.read(MAX_FILE + 1)


def _ignored(workspace: Workspace, paths: list[bytes]) -> set[bytes]:
    """Those of `paths` that the tree's own `.gitignore` files name; git reads patterns there, nothing else."""
    if not paths:
        return set()
    try:
        output = git(
            workspace.git_dir,
            "check-ignore",
            "--no-index",
            "-z",
            "--stdin",
            data=b"\0".join(paths) + b"\0",
            env={"GIT_WORK_TREE": str(workspace.tree)},
            allowed=(0, 1),
            cwd=workspace.tree,
            cpu_s=IGNORING_S,
        )
    except TooMuchWork:
        raise TooMuchWork(
            f"What .gitignore leaves out cannot be told within {IGNORING_S} seconds of processor time: its patterns have too "
            "many stars, or there are too many for so many files. Write fewer and simpler ones."
        ) from None
    return set(output.split(b"\0")) - {b""}
