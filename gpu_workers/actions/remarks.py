"""Remarks on lines of a change that a built-in repository keeps; those of a change on GitHub are written there."""

from dataclasses import dataclass

from gpu_workers.models import ChangeRemark, ChangeRequest
from gpu_workers.models.change import ChangeState
from gpu_workers.models.remark import Side
from gpu_workers.remark_events import ChangeRemarked, RemarkEdited, RemarksRead, RemarkWithdrawn
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid, Stale
from guildhall.kernel.versions import check_version
from workflows.selectors.planned import database_now

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
    text = _plain(remark.text)
    if change.state != ChangeState.OPEN:
        raise Conflict(f"Change {change.number} is {change.state}; there is nothing to be said of its lines any more.")
    if remark.commit_sha != change.head_sha:
        detail = f"Change {change.number} is at commit {change.head_sha[:12]} by now. Look at it again."
        raise Stale(detail, current=change.head_sha)
    # A name that is longer than the column is none that could be looked up again.
    if len(remark.path) > LONGEST_PATH or remark.path not in [file["path"] for file in change.files]:
        raise Invalid("It does not touch this file.", fields={"path": [f"No file of change {change.number}."]})
    _refuse_length(text)
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


@governed("change.edit_remark", lock="remark")
def edit_remark(*, actor: Actor, remark: ChangeRemark, text: str, version: int | None = None) -> ChangeRemark:
    """Say one's own remark otherwise; what it said before is in the audit.

    Raises `Denied` for another's, `Conflict` once a run has read it or its change is not open, `Stale` and `Invalid`.
    """
    _refuse_settled(actor, remark, "edits")
    check_version(remark, version)
    before, remark.text = remark.text, _plain(text)
    _refuse_length(remark.text)
    remark.version, remark.edited_at = remark.version + 1, database_now()
    remark.save(update_fields=["text", "version", "edited_at"])
    event = RemarkEdited(subject=remark.change.ref, task=remark.change.task, remark=remark.pk)
    record(event, actor=actor, before={"text": before}, after={"text": remark.text})
    return remark


@governed("change.withdraw_remark", lock="remark")
def withdraw_remark(*, actor: Actor, remark: ChangeRemark) -> None:
    """Take one's own remark back; the audit keeps what it said. Raises as `edit_remark` does."""
    _refuse_settled(actor, remark, "withdraws")
    change, key, text = remark.change, remark.pk, remark.text
    remark.delete()
    record(RemarkWithdrawn(subject=change.ref, task=change.task, remark=key), actor=actor, before={"text": text})


@governed("change.read_remarks", lock="change")
def note_read(*, actor: Actor, change: ChangeRequest, run: int) -> None:
    """A run is about to be told of what was said so far: none of it is changed any more. Told again, it is the same."""
    said = ChangeRemark.objects.select_for_update().filter(change=change)
    last = max(said.values_list("pk", flat=True), default=0)
    said.filter(read_by=None).update(read_by=run)
    record(RemarksRead(subject=change.ref, task=change.task, run=run, last=last), actor=actor)


def _refuse_settled(actor: Actor, remark: ChangeRemark, verb: str) -> None:
    if remark.author != actor.ref:
        raise Denied(f"Only {remark.author_name} {verb} this remark.")
    if remark.change.state != ChangeState.OPEN:
        raise Conflict(f"Change {remark.change.number} is {remark.change.state}; what was said of it stays.")
    if remark.read_by is not None:
        raise Conflict(f"Run {remark.read_by} has read this remark. Say what has changed in another one.")


def _plain(text: str) -> str:
    return text.replace("\0", "").replace("\r\n", "\n").strip()


def _refuse_length(text: str) -> None:
    if not 1 <= len(text) <= LONGEST:
        raise Invalid("Say it shorter, or at all.", fields={"text": [f"Between 1 and {LONGEST} characters."]})
