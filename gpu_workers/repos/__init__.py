"""Built-in git repositories and the workspaces of runs.

A run's git directory lies beside its working tree, out of the sandbox's reach: nothing that a command inside writes
(hooks, configuration, filters, nested repositories) is ever read by git on the host.
"""

from gpu_workers.repos.bounds import TreeTooLarge, refuse_unfolding
from gpu_workers.repos.changes import BaseMoved, RebaseConflict, merge_fast_forward, push_branch, rebase, revert
from gpu_workers.repos.diffs import DiffLimits, FileDiff, changed_paths, diff, diff_hash, headline, plain_name
from gpu_workers.repos.git import GitError, UnfitBranch
from gpu_workers.repos.reading import (
    CommitInfo,
    TreeEntry,
    checkout_tree,
    head_of,
    log,
    ls_tree,
    merge_base,
    read_file,
)
from gpu_workers.repos.repository import Signature, create_repository, open_branch
from gpu_workers.repos.workspaces import Workspace, clone_workspace, commit_all, remove_workspace, workspace_diff

__all__ = [
    "BaseMoved",
    "CommitInfo",
    "DiffLimits",
    "FileDiff",
    "GitError",
    "RebaseConflict",
    "Signature",
    "TreeEntry",
    "TreeTooLarge",
    "UnfitBranch",
    "Workspace",
    "changed_paths",
    "checkout_tree",
    "clone_workspace",
    "commit_all",
    "create_repository",
    "diff",
    "diff_hash",
    "head_of",
    "headline",
    "log",
    "ls_tree",
    "merge_base",
    "merge_fast_forward",
    "open_branch",
    "plain_name",
    "push_branch",
    "read_file",
    "rebase",
    "refuse_unfolding",
    "remove_workspace",
    "revert",
    "workspace_diff",
]
