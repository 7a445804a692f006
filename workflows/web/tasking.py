"""Forms of tasks: the planner's proposal edited, put in order and accepted; tasks added and changed."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render

from guildhall.kernel.errors import Denied, GuildhallError, Invalid, NotFound
from guildhall.portal.views import PageRequest, form_page
from workflows.actions import add_task, edit_proposal, edit_task, reorder_tasks, transition_story
from workflows.models import Story, Task
from workflows.models.planning import DerivationState
from workflows.planning import TaskDraft
from workflows.planning.drafts import MAX_TASKS, RISKS, ROLES, SIZES, problems_of
from workflows.policies import GRANTS
from workflows.selectors import find_story, find_task
from workflows.selectors.lists import tasks_visible_to
from workflows.web.shown import droppable

FIELDS = ("title", "role", "size", "risk", "acceptance", "depends_on", "place")
OPTIONAL = "repository"
"""A column of the forms that is there only where the project has more than one."""
SEEN = ("version", "story_version", "shown_place")
"""What the form of a task was opened over."""
SPARE_ROWS = 2
CHOICES = {"roles": ROLES, "sizes": SIZES, "risks": RISKS}


@form_page
def proposal(request: PageRequest, reference: str) -> HttpResponse:
    """The proposed tasks of a story as one form: changed, put in order, taken away, added to, and accepted."""
    story = find_story(request.actor, reference)
    _refuse_unnamed(request, "story.edit_proposal")
    if request.method != "POST":
        return _proposal(request, story, _stored_rows(story), version=str(story.version))
    rows, version = _sent_rows(request.POST), request.POST.get("version", "")
    try:
        saved = edit_proposal(actor=request.actor, story=story, drafts=_drafts(rows), version=_version(version))
        version = str(saved.story.version)
        if request.POST.get("act") == "accept":
            # What is accepted is what was just sent, not what somebody else sends meanwhile.
            transition_story(actor=request.actor, story=story, name="derive_tasks", version=saved.story.version)
            messages.success(request, f"{reference} has its tasks now.")
            return redirect("story", reference=reference)
    except NotFound:
        raise
    except GuildhallError as error:
        return _proposal(request, story, rows, version=version, problem=error)
    messages.success(request, "The proposal is saved. It becomes tasks once it is accepted.")
    return redirect("story-proposal", reference=reference)


def repositories_of(story: Story) -> list[tuple[str, str]]:
    """What a task of the story may change, the primary one first; nothing where there is no choice."""
    rows = list(story.project.repositories.order_by("-primary", "name"))
    if len(rows) < 2:
        return []
    return [("", f"{rows[0].name} (primary)"), *((row.name, row.name) for row in rows)]


def _refuse_unnamed(request: PageRequest, action: str) -> None:
    if not request.actor.has_role(*GRANTS[action]):
        raise Denied("Tasks are planned by product owners and architects.")


def _proposal(
    request: PageRequest,
    story: Story,
    rows: list[dict[str, str]],
    *,
    version: str,
    problem: GuildhallError | None = None,
) -> HttpResponse:
    spare = [dict.fromkeys(FIELDS, "") for _ in range(min(SPARE_ROWS, MAX_TASKS - len(rows)))]
    context = {
        "story": story,
        "rows": [*rows, *spare],
        "number": len(rows),
        "version": version,
        "problem": problem,
        "closed": story.state != "ready_for_planning",
        "repositories": repositories_of(story),
        "accepts": "planned" in droppable(request.actor, "ready_for_planning"),
        **CHOICES,
    }
    return render(request, "workflows/proposal.html", context, status=problem.status if problem else 200)


def _stored_rows(story: Story) -> list[dict[str, str]]:
    row = story.derivations.filter(state=DerivationState.PROPOSED).first()
    return [
        {
            "title": str(draft["title"]),
            "role": str(draft["role"]),
            "size": str(draft["size"]),
            "risk": str(draft["risk"]),
            "acceptance": "\n".join(draft["acceptance"]),
            "depends_on": ", ".join(map(str, (*draft["depends_on"], *draft.get("needs", [])))),
            "place": str(place),
            "repository": str(draft.get("repository", "")),
        }
        for place, draft in enumerate(row.drafts if row else [], 1)
    ]


def _sent_rows(sent: QueryDict) -> list[dict[str, str]]:
    """The rows as they were typed; one without a title was taken away or never filled in."""
    columns = [sent.getlist(name)[: MAX_TASKS + SPARE_ROWS] for name in FIELDS]
    rows = [dict(zip(FIELDS, values, strict=True)) for values in zip(*columns, strict=False)]
    named = sent.getlist(OPTIONAL)
    for place, row in enumerate(rows):
        row[OPTIONAL] = named[place] if place < len(named) else ""
    return [{name: value.replace("\0", "").replace("\r\n", "\n") for name, value in row.items()} for row in rows]


def _drafts(rows: list[dict[str, str]]) -> list[TaskDraft]:
    """Rows with a title as drafts in the order of their places; what they depend on follows them to their new places.

    Numbers are of the list, whatever has a dot is a reference of a task that stands. Raises `Invalid` for places and numbers
    that are none, and for what depends on a row that was taken away.
    """
    kept = [(number, row) for number, row in enumerate(rows, 1) if row["title"].strip()]
    kept.sort(key=lambda pair: (_number(pair[1]["place"]) or pair[0], pair[0]))
    places = {number: place for place, (number, _) in enumerate(kept, 1)}
    drafts = []
    for number, row in kept:
        words = _words(row["depends_on"])
        needs = [word for word in words if "." in word]
        before = {word: _number(word) for word in words if word not in needs}
        lost = [word for word, wanted in before.items() if wanted not in places]
        if lost:
            problem = f"Task {number} depends on {', '.join(lost)[:200]}, which is not in the list."
            raise Invalid(problem, fields={"tasks": [problem]})
        drafts.append(
            TaskDraft(
                title=row["title"].strip(),
                role=row["role"],
                acceptance=tuple(_lines(row["acceptance"])),
                depends_on=tuple(places[wanted] for wanted in before.values() if wanted is not None),
                size=row["size"],
                risk=row["risk"],
                repository=row[OPTIONAL],
                needs=tuple(needs),
            )
        )
    return drafts


def _words(text: str) -> list[str]:
    """What a field names, with commas or spaces between."""
    return text.replace(",", " ").split()


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else None


def _version(text: str) -> int | None:
    """The version that a form was opened over; None where it says none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


@form_page
def new_task(request: PageRequest, reference: str) -> HttpResponse:
    """Add a task to a story that is planned or in progress."""
    story = find_story(request.actor, reference)
    _refuse_unnamed(request, "story.add_task")
    if request.method != "POST":
        first = {"role": "developer", "size": "S", "risk": "low", "story_version": str(story.version)}
        return _task_form(request, story, first)
    sent = _sent(request.POST)
    draft = TaskDraft(
        title=sent["title"].strip(),
        role=sent["role"],
        acceptance=tuple(_lines(sent["acceptance"])),
        size=sent["size"],
        risk=sent["risk"],
        repository=sent[OPTIONAL],
        needs=tuple(_words(sent["depends_on"])),
    )
    try:
        problems = problems_of([draft])
        if problems:
            raise Invalid(" ".join(problems), fields={"task": problems})
        made = add_task(actor=request.actor, story=story, draft=draft, version=_version(sent["story_version"]))
    except NotFound:
        raise
    except GuildhallError as error:
        return _task_form(request, story, sent, problem=error)
    messages.success(request, f"{made.reference} is added.")
    return redirect("task", reference=made.reference)


@form_page
def change_task(request: PageRequest, reference: str) -> HttpResponse:
    """Change a task that nobody has begun, and its place in the story."""
    task = find_task(request.actor, reference)
    _refuse_unnamed(request, "story.edit_task")
    if request.method != "POST":
        return _task_form(request, task.story, _as_sent(task), task=task)
    sent = _sent(request.POST)
    # Who changes its words alone does not move it back to where it was when the form was opened.
    moves = sent["place"] != sent["shown_place"]
    try:
        changed = edit_task(
            actor=request.actor,
            task=task,
            change={
                "title": sent["title"].strip(),
                "role": sent["role"],
                "size": sent["size"],
                "risk": sent["risk"],
                "acceptance": _lines(sent["acceptance"]),
                "depends_on": _words(sent["depends_on"]),
                "repository": sent[OPTIONAL],
            },
            version=_version(sent["version"]),
            story_version=_version(sent["story_version"]) if moves else None,
        )
        if moves:
            sent |= {"version": str(changed.version), "story_version": str(changed.story.version)}
            _put(request, changed, sent["place"])
    except NotFound:
        raise
    except GuildhallError as error:
        return _task_form(request, task.story, sent, task=task, problem=error)
    messages.success(request, f"{reference} is changed.")
    return redirect("task", reference=reference)


def _put(request: PageRequest, task: Task, place: str) -> None:
    """Move the task, as it was just changed, to another place among its story's tasks."""
    order = [
        row.reference for row in tasks_visible_to(request.actor).filter(story=task.story).order_by("rank", "number")
    ]
    wanted = _number(place)
    if wanted is None or order.index(task.reference) == min(wanted, len(order)) - 1 or wanted < 1:
        return
    order.remove(task.reference)
    order.insert(wanted - 1, task.reference)
    reorder_tasks(actor=request.actor, story=task.story, order=order, version=task.story.version)


def _sent(given: QueryDict) -> dict[str, str]:
    names = (*FIELDS, OPTIONAL, *SEEN)
    return {name: given.get(name, "").replace("\0", "").replace("\r\n", "\n")[:20_000] for name in names}


def _as_sent(task: Task) -> dict[str, str]:
    order = list(task.story.tasks.order_by("rank", "number").values_list("pk", flat=True))
    place = str(order.index(task.pk) + 1)
    return {
        "title": task.title,
        "role": task.role,
        "size": task.size,
        "risk": task.risk,
        "acceptance": "\n".join(task.acceptance),
        "depends_on": ", ".join(task.dependencies.values_list("needs__reference", flat=True)),
        "place": place,
        "repository": task.repository.name if task.repository else "",
        "version": str(task.version),
        "story_version": str(task.story.version),
        "shown_place": place,
    }


def _task_form(
    request: PageRequest,
    story: Story,
    sent: dict[str, str],
    *,
    task: Task | None = None,
    problem: GuildhallError | None = None,
) -> HttpResponse:
    context: dict[str, Any] = {
        "story": story,
        "task": task,
        "sent": sent,
        "problem": problem,
        "repositories": repositories_of(story),
        **CHOICES,
    }
    return render(request, "workflows/task_form.html", context, status=problem.status if problem else 200)
