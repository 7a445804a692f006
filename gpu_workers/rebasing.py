"""A change's commits again on top of another commit, for a merge whose base moved and for work that goes on there."""

from datetime import UTC, datetime

from gpu_workers.folders import repository_folder
from gpu_workers.models import ChangeRequest
from gpu_workers.repos import Signature, rebase
from gpu_workers.repos.repository import branch_head, update_branch

PLATFORM_SIGNATURE = Signature("Guildhall", "merge@guildhall.invalid")


def rebased(change: ChangeRequest, onto: str) -> tuple[str, str]:
    """The change's commits on top of `onto`: the id of their head, and the branch that was put there to keep them.

    The same change and commit give the same answer. Raises `RebaseConflict`, `GitError`.
    """
    repo = repository_folder(change.repository)
    when = (change.created_at or datetime.now(UTC)).replace(microsecond=0)
    head = rebase(repo, change.head_sha, change.base_sha, onto, PLATFORM_SIGNATURE, when)
    branch = f"{change.branch}-rebased-{onto[:8]}"
    if (known := branch_head(repo, branch)) != head:
        update_branch(repo, branch, head, known)
    return head, branch
