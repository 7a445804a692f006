"""Remarks on lines of a change that a built-in repository keeps; those of a change on GitHub are written there."""

from dataclasses import dataclass

from gpu_workers.models import ChangeRemark, ChangeRequest
from gpu_workers.models.change import ChangeState
from gpu_workers.models.remark import Side
from gpu_workers.remark_events import ChangeRemarked
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid, Stale

LONGEST = 4_000
MOST = 500
LONGEST_PATH = 1_000


@dataclass(frozen=True, slots=True)
class NewRemark:
    """What to say, and where: `commit_sha` is the head of the change that its writer looked at, `path` a file's name after
    the change, of a removed one its last."""

    commit_sha: str
    path: str
    line: int
    text: str
    side: str = Side.NEW


@governed("change.remark", lock="change")
def remark_on_change(*, actor: Actor, change: ChangeRequest, remark: NewRemark) -> ChangeRemark:
    """Say something about one line of an open change, as it is at its head.

    Raises `Stale` where the change is at another commit by now, `Conflict` where it is not open or has `MOST` remarks, and
    `Invalid` for a file that it does not touch and for a text that is empty or too long. That its diff shows the line is for
    the caller to see to: it takes git.
    """
    text = remark.text.replace("\0", "").strip()
    if change.state != ChangeState.OPEN:
        raise Conflict(f"Change {change.number} is {change.state}; there is nothing to be said of its lines any more.")
    if remark.commit_sha != change.head_sha:
        detail = f"Change {change.number} is at commit {change.head_sha[:12]} by now. Look at it again."
        raise Stale(detail, current=change.head_sha)
    # A name that is longer than the column is none that could be looked up again.
    if len(remark.path) > LONGEST_PATH or remark.path not in [file["path"] for file in change.files]:
        raise Invalid("It does not touch this file.", fields={"path": [f"No file of change {change.number}."]})
    if not 1 <= len(text) <= LONGEST:
        raise Invalid("Say it shorter, or at all.", fields={"text": [f"Between 1 and {LONGEST} characters."]})
    if change.remarks.count() >= MOST:
        raise Conflict(f"Change {change.number} has {MOST} remarks, which is as many as a change can have.")
    made = ChangeRemark.objects.create(
        change=change,
        commit_sha=remark.commit_sha,
        path=remark.path,
        side=Side(remark.side),
        line=remark.line,
        text=text,
        author=actor.ref,
        author_name=actor.name[:200],
    )
    event = ChangeRemarked(
        subject=change.ref,
        task=change.task,
        remark=made.pk,
        commit_sha=made.commit_sha,
        path=made.path,
        side=made.side,
        line=made.line,
    )
    record(event, actor=actor, after={"text": text})
    return made
