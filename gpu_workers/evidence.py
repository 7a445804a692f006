"""What this room answers when workflows asks about commits: CI's verdict and what a merge would be bound to. Reads rows only."""

from typing import Any

from gpu_workers.selectors import change_of_task, ci_of
from guildhall.kernel.errors import Conflict
from workflows.machines import CommitEvidence

CI_WORDS = {"passed": "green", "failed": "red", "error": "red", "timeout": "red"}


def judge_commit(task: str, sha: str, rejected_sha: str) -> CommitEvidence:
    """The evidence on `sha`: it counts only as the head of the task's own change."""
    change = change_of_task(task)
    if change is None or change.head_sha != sha:
        return CommitEvidence(sha, "none", newer=False)
    ci = ci_of(change.repository, sha)
    return CommitEvidence(sha, CI_WORDS.get(ci.status, "none") if ci else "none", newer=sha != rejected_sha)


def merge_binding(task: str, sha: str) -> dict[str, Any]:
    """Exactly what a merge of `sha` would do. Raises `Conflict` when the task's change is not at `sha`."""
    change = change_of_task(task)
    if change is None or change.head_sha != sha:
        raise Conflict(f"The change of {task} is not at {sha[:12]}.")
    return {
        "commit_sha": change.head_sha,
        "base_sha": change.base_sha,
        "diff_hash": change.diff_hash,
        "repository": change.repository,
        "change": change.number,
        "files": sorted(str(file["path"]) for file in change.files),
    }
