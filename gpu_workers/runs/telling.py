"""What tools of a run may read of what the tenant knows and of its trail, and say to its people."""

from django.db.models import Q

from governance.selectors.about import entries_about
from gpu_workers.knowing.answers import Knowledge
from gpu_workers.knowing.assembling import Told
from gpu_workers.knowing.passages import Documents
from gpu_workers.models import ChangeRequest, Run
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.masking import hiding
from gpu_workers.runs.model import BYTES_PER_TOKEN
from gpu_workers.tools.contract import Known
from guildhall.evidence.selectors import TrailFilter, about_rows, search_trail
from guildhall.kernel.actor import Actor
from guildhall.kernel.redaction import redact
from workflows.actions.comments import write_comment
from workflows.models import Comment, Epic, Strategy, Task

SHOWN = 30


def known_to(ctx: RunContext) -> Known | None:
    """How a run's tools ask what is known.

    None for a model that has to be led: it has few turns, and all that its work needs stands in its prompt.
    """
    if not ctx.model.head.able:
        return None
    brief, hidden = ctx.brief, hiding("output")
    known = Knowledge(
        ctx.actor,
        ctx.run,
        brief.project,
        brief.story,
        brief.task,
        clean=lambda text: hidden(redact(text)),
    )

    def context(tokens: int, documents: Documents) -> Told:
        return known.context(tokens * BYTES_PER_TOKEN, documents)

    return Known(known.search, context)


def search_work(project: str, area: str, text: str, about: str) -> list[str]:
    """The newest entries of one area of the project's trail, in people's words, without where anybody was."""
    wanted = TrailFilter(kind=f"{area}.", text=text, subject=about, among=_of(project))
    return [_line(entry) for entry in search_trail(wanted, limit=SHOWN)]


def _of(project: str) -> Q:
    """What the trail may be about: the project, its strategies, epics, stories and tasks, their runs and changes, and what
    people were asked and what was broken there. The rest of the trail is of other projects, or of all of them."""
    work = Q(subject=f"project:{project}") | Q(subject__startswith=f"story:{project}-")
    work |= Q(subject__startswith=f"task:{project}-")
    work |= about_rows("strategy", Strategy.objects.filter(project__key=project))
    work |= about_rows("epic", Epic.objects.filter(project__key=project))
    work |= about_rows("run", Run.objects.filter(story__startswith=f"story:{project}-"), "number")
    work |= about_rows("change", ChangeRequest.objects.filter(task__startswith=f"{project}-"), "number")
    return work | entries_about(work)


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
