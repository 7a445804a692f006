"""Remarks on lines of changes are made only on lines that the diff shows."""

from collections.abc import Iterable

from gpu_workers.actions.remarks import NewRemark, remark_on_change
from gpu_workers.diff_lines import lines_of
from gpu_workers.forges.choosing import connection_of
from gpu_workers.models import ChangeRemark, ChangeRequest
from gpu_workers.models.remark import Side
from gpu_workers.repos import FileDiff
from gpu_workers.shown_diffs import shown_diff
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid


def write_remark(actor: Actor, change: ChangeRequest, remark: NewRemark) -> ChangeRemark:
    """Remark on a line that the change's diff shows. The database connection is given back while git is asked.

    Raises as `remark_on_change` does, `Invalid` for a line that the diff does not show, `Conflict` for a change that is kept
    on GitHub, and `Unavailable`.
    """
    if connection_of(change.repository) is not None:
        raise Conflict("This change is kept on GitHub. Write it there, on its pull request; agents read it.")
    here = remark.commit_sha == change.head_sha
    if here and not shows(shown_diff(change.repository, change.base_sha, change.head_sha), remark):
        problem = "The change's diff does not show this line."
        raise Invalid(problem, fields={"line": [problem]})
    return remark_on_change(actor=actor, change=change, remark=remark)


def shows(files: Iterable[FileDiff], remark: NewRemark) -> bool:
    """Whether a diff shows the line that a remark is about."""
    texts = [file.text for file in files if file.path == remark.path]
    return any(
        remark.line == (line.old if remark.side == Side.OLD else line.new) for text in texts for line in lines_of(text)
    )
