"""What a reviewing agent says of single lines of the change that it judges."""

from collections.abc import Callable

from gpu_workers.actions.remarks import NewRemark
from gpu_workers.models import ChangeRemark
from gpu_workers.models.run import JUDGING
from gpu_workers.remarking import write_remark
from gpu_workers.runs.context import RunContext
from gpu_workers.selectors import change_of_task
from guildhall.kernel.errors import Conflict, Invalid, Stale

Said = tuple[bool, str]
"""Whether it stands, and what the agent is told."""


def remarks_in(ctx: RunContext) -> Callable[[str, str, int, str], Said] | None:
    """How the run's tools remark: text, path, line and side. None for a run that judges no commit."""
    if ctx.run.kind not in JUDGING or not ctx.run.head_sha:
        return None

    def remark(text: str, path: str, line: int, side: str) -> Said:
        change = change_of_task(ctx.brief.task)
        if change is None:
            return False, "The task has no change."
        at = {"commit_sha": ctx.run.head_sha, "path": path, "side": side, "line": line}
        # A worker that takes a run over repeats its last step.
        if ChangeRemark.objects.filter(change=change, author=ctx.actor.ref, text=text.strip(), **at).exists():
            return True, f"It stands on line {line} of {path} already."
        try:
            write_remark(ctx.actor, change, NewRemark(ctx.run.head_sha, path, line, text, side))
        except (Conflict, Invalid, Stale) as refused:
            return False, refused.detail
        return True, f"Written on line {line} of {path}."

    return remark
