"""Moving branches of a built-in repository: push, merge, rebase, revert. Each is fenced and can be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gpu_workers.repos.bounds import refuse_unfolding
from gpu_workers.repos.git import GitError, checked_sha, git, is_ancestor, text
from gpu_workers.repos.reading import CommitInfo, moment, tree_id
from gpu_workers.repos.repository import Signature, branch_head, commit_tree, update_branch
from gpu_workers.repos.stopping import refuse_stopped
from gpu_workers.repos.workspaces import Workspace

FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc")


class BaseMoved(GitError):
    """The branch is not where it was expected; `current` is where it is (None: it does not exist)."""

    def __init__(self, branch: str, expected: str | None, current: str | None) -> None:
        super().__init__(f"{branch} is at {(current or 'nothing')[:12]}, not at {(expected or 'nothing')[:12]}.")
        self.current = current


@dataclass
class RebaseConflict(GitError):
    """The change does not apply on the new base. `paths` are the files in conflict."""

    paths: tuple[str, ...]

    def __post_init__(self) -> None:
        GitError.__init__(self, f"These files conflict: {', '.join(self.paths)}.")


def _move(repo: Path, branch: str, sha: str, expected: str | None) -> None:
    """Move once; the lock that git takes decides between two that try at the same time."""
    current = branch_head(repo, branch)
    if current == sha:
        return
    if current != expected:
        raise BaseMoved(branch, expected, current)
    try:
        update_branch(repo, branch, sha, expected)
    except GitError:
        current = branch_head(repo, branch)
        if current == sha:
            return
        if current != expected:
            raise BaseMoved(branch, expected, current) from None
        raise


def push_branch(repo: Path, workspace: Workspace, branch: str, sha: str, expected_old: str | None) -> str:
    """Copy `sha` from the workspace and put `branch` on it, from `expected_old` (None: a new branch); returns `sha`.

    Pushed already: nothing changes. Raises BaseMoved where another one holds the branch by now.
    """
    git(repo, *FETCH, str(workspace.git_dir), checked_sha(sha), env={"GIT_ALLOW_PROTOCOL": "file"})
    _move(repo, branch, sha, expected_old)
    return sha


def merge_fast_forward(repo: Path, branch: str, head_sha: str, expected_base: str) -> str:
    """Put `branch` on exactly `head_sha`; returns it. Merged already: nothing changes.

    Raises BaseMoved where the branch is not on `expected_base`, GitError where `head_sha` does not come from it.
    """
    if not is_ancestor(repo, expected_base, head_sha):
        raise GitError(f"{head_sha[:12]} does not come from {expected_base[:12]}.")
    _move(repo, branch, head_sha, expected_base)
    return head_sha


def rebase(repo: Path, head: str, base: str, onto: str, committer: Signature, when: datetime) -> str:
    """The commits of `base`..`head` again, on top of `onto`; the id of the new head. Moves no branch.

    The same arguments give the same id. Commits that change nothing any more are dropped. Raises RebaseConflict, and
    GitStopped between two of them.
    """
    current = checked_sha(onto)
    span = text(git(repo, "rev-list", "--reverse", "--topo-order", f"{checked_sha(base)}..{checked_sha(head)}"))
    for sha in span.split():
        refuse_stopped()
        about = _about(repo, "%P%n%an%n%ae%n%at%n%B", sha).decode("utf-8", "replace")
        parents, name, email, at, message = about.split("\n", 4)
        if len(parents.split()) != 1:
            raise GitError(f"{sha[:12]} is a merge and cannot be rebased.")
        tree = _merge_trees(repo, parents, current, sha, committer, when)
        if tree == tree_id(repo, current):
            continue
        current = commit_tree(repo, tree, [current], message, Signature(name, email), moment(at), committer, when)
    return current


def revert(
    repo: Path, branch: str, sha: str, author: Signature, when: datetime, *, base: str | None = None, expected: str
) -> str:
    """Undo `sha` (or all of `base`..`sha`) by one new commit on `branch`, which must be on `expected`; its id.

    Reverted already by the same call: nothing changes. Raises BaseMoved, RebaseConflict, and GitError where there is
    nothing left to undo.
    """
    reverted = _reverting(repo, sha, author, when, base, expected)
    _move(repo, branch, reverted, expected)
    return reverted


def is_revert(repo: Path, commit: CommitInfo, sha: str, author: Signature, *, base: str | None = None) -> bool:
    """Whether a commit is, byte by byte, what `revert` makes of its parent: what it says of itself is for anybody to write."""
    if len(commit.parents) != 1:
        return False
    try:
        return _reverting(repo, sha, author, commit.when, base, commit.parents[0]) == commit.sha
    except GitError as impossible:
        if not impossible.own:
            raise
        return False


def _reverting(repo: Path, sha: str, author: Signature, when: datetime, base: str | None, parent: str) -> str:
    """The commit on top of `parent` that undoes `sha`, or all of `base`..`sha`. Moves no branch."""
    before = checked_sha(base) if base else text(git(repo, "rev-parse", f"{checked_sha(sha)}^"))
    subject = text(_about(repo, "%s", sha))
    tree = _merge_trees(repo, sha, parent, before, author, when)
    if tree == tree_id(repo, parent):
        raise GitError(f"{sha[:12]} has nothing left to undo.")
    message = f'Revert "{subject}"\n\nThis takes back {sha}.'
    return commit_tree(repo, tree, [parent], message, author, when)


def _about(repo: Path, form: str, sha: str) -> bytes:
    """What a commit says of itself. Not `git show`, which compares trees even where it shows no difference."""
    return git(repo, "log", "-n1", "--no-show-signature", f"--format={form}", checked_sha(sha), "--")


def _merge_trees(repo: Path, base: str, ours: str, theirs: str, who: Signature, when: datetime) -> str:
    """The tree of a three-way merge. Raises RebaseConflict.

    `git merge-tree` finds the base by itself, so both sides become stand-in children of the base that is wanted.
    """
    refuse_unfolding(repo, base, ours, theirs)
    sides = [commit_tree(repo, tree_id(repo, side), [base], "side", who, when) for side in (ours, theirs)]
    output = git(repo, "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", *sides, allowed=(0, 1))
    tree, *paths = [part.decode("utf-8", "replace") for part in output.split(b"\0") if part]
    if paths:
        raise RebaseConflict(tuple(paths))
    return tree
