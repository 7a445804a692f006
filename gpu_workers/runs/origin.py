"""Where a dev agent's work begins: on the default branch as it is now, with what the task has so far."""

from dataclasses import dataclass

from gpu_workers.models import ChangeRequest
from gpu_workers.models.change import ChangeState
from gpu_workers.rebasing import rebased
from gpu_workers.repos import RebaseConflict, diff
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.forge import fresh_head
from gpu_workers.selectors import change_of_task

KEPT = 6000
"""Characters of an earlier change that are shown where it does not fit any more."""


@dataclass(frozen=True, slots=True)
class Origin:
    """`start` is the commit that the workspace is cloned at, `base` the one of the default branch below it.

    `earlier` tells of commits that conflict with the branch as it is now, so that the work begins without them.
    """

    start: str
    base: str
    earlier: str = ""


def open_change_of(ctx: RunContext) -> ChangeRequest | None:
    """The change that a task which was sent back goes on from."""
    change = change_of_task(ctx.brief.task)
    return change if change is not None and change.state == ChangeState.OPEN else None


def find_origin(ctx: RunContext) -> Origin:
    """Look where the default branch is, and bring the task's open change there."""
    change, fresh = open_change_of(ctx), fresh_head(ctx)
    if change is None:
        return Origin(fresh, fresh)
    if change.base_sha == fresh:
        return Origin(change.head_sha, fresh)
    try:
        return Origin(rebased(change, fresh)[0], fresh)
    except RebaseConflict as conflict:
        return Origin(fresh, fresh, f"{conflict}\n{_text_of(ctx, change)}")


def _text_of(ctx: RunContext, change: ChangeRequest) -> str:
    files = diff(ctx.repo, change.base_sha, change.head_sha)
    return "\n".join(f"{file.path}\n{file.text}" for file in files)[:KEPT]
