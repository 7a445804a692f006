"""What tools of a run may read of the tenant's trail and say to its people."""

from guildhall.evidence.selectors import TrailFilter, search_trail
from guildhall.kernel.actor import Actor
from workflows.actions.comments import write_comment
from workflows.models import Comment, Task

SHOWN = 30


def search_work(area: str, text: str, about: str) -> list[str]:
    """The newest entries of one area of the current tenant's trail, in people's words, without where anybody was."""
    found = search_trail(TrailFilter(kind=f"{area}.", text=text, subject=about), limit=SHOWN)
    return [_line(entry) for entry in found]


def _line(entry: dict[str, object]) -> str:
    actor = entry["actor"]
    name = actor.get("name", "") if isinstance(actor, dict) else ""
    why = f" ({entry['reason']})" if entry["reason"] else ""
    return f"{entry['at']:%Y-%m-%d %H:%M} {entry['subject']}: {name} {entry['sentence']}{why}"


def say(actor: Actor, task: str, text: str) -> str:
    """Write a comment on a task, hidden from clients; the same words by the same agent are said once.

    A worker that takes a run over repeats its last step.
    """
    row = Task.objects.select_related("story").get(reference=task)
    if Comment.objects.filter(task=row, author=actor.ref, text=text.strip()).exists():
        return f"It stands on {task} already."
    write_comment(actor=actor, item=row, text=text)
    return f"Written on {task}."
