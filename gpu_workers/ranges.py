"""A range of commits as what a change request consists of."""

from pathlib import Path
from typing import Any

from gpu_workers.actions.changes import Proposal
from gpu_workers.repos import FileDiff, diff, diff_hash


def proposal_of(repo: Path, branch: str, base: str, head: str) -> Proposal:
    """The commits `base`..`head` of `repo`, which lie on `branch`, with their figures. Raises GitError."""
    changed = diff(repo, base, head)
    return Proposal(
        branch=branch,
        base_sha=base,
        head_sha=head,
        diff_hash=diff_hash(repo, base, head),
        files=[_told(file) for file in changed],
        added=sum(f.added for f in changed),
        removed=sum(f.removed for f in changed),
    )


def _told(file: FileDiff) -> dict[str, Any]:
    told = {"path": file.path, "status": file.status, "added": file.added, "removed": file.removed}
    return {**told, "hides": True} if file.hides_new else told
