"""Epics: stories that belong together, in an order."""

from collections.abc import Sequence
from typing import Any, TypedDict

from django.db.models import Max

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from guildhall.kernel.versions import check_version
from workflows.actions.common import named
from workflows.actions.plan_common import Problems, in_state, keep
from workflows.events import EpicCreated
from workflows.models import Epic, Project, Story, Strategy
from workflows.plan_events import EpicEdited, EpicMoved, EpicsOrdered, EpicStoriesOrdered
from workflows.selectors.planned import open_stories_of

DESCRIPTION_LIMIT = 20_000


class EpicChange(TypedDict, total=False):
    """What may be changed of an open epic; `strategy` None takes it out of its strategy."""

    title: str
    description: str
    strategy: Strategy | None


@governed("epic.create", lock="project")
def create_epic(
    *, actor: Actor, project: Project, title: str, strategy: Strategy | None = None, description: str = ""
) -> Epic:
    """Open an epic, the last in the project's order. Raises `Invalid` for its title or another project's strategy."""
    values: dict[str, Any] = {"title": title, "description": description, "strategy": strategy}
    _check(project, values)
    last = project.epics.aggregate(last=Max("rank"))["last"] or 0
    epic = Epic.objects.create(project=project, rank=last + 1, **values)
    record(EpicCreated(subject=epic.ref, project=project.key, title=epic.title), actor=actor)
    return epic


@governed("epic.edit", lock="epic")
def edit_epic(*, actor: Actor, epic: Epic, change: EpicChange, version: int | None = None) -> Epic:
    """Change an open epic. Raises `Stale`, `Conflict` when it is closed, `Invalid` with the fields."""
    check_version(epic, version)
    in_state("epic", epic.state, "edit")
    values: dict[str, Any] = dict(change)
    if not values:
        raise Invalid("Nothing is to change.", fields={"epic": ["Say what is to change."]})
    _check(epic.project, values)
    before = named(epic, *values)
    for field, value in values.items():
        setattr(epic, field, value)
    keep(epic, *values)
    event = EpicEdited(subject=epic.ref, project=epic.project.key, title=epic.title, fields=sorted(values))
    record(event, actor=actor, before=before, after=named(epic, *values))
    return epic


@governed("epic.close", lock="epic")
def close_epic(*, actor: Actor, epic: Epic, version: int | None = None) -> Epic:
    """Close an epic whose stories are all finished. Raises `Conflict` naming the ones that are not, `Stale`."""
    check_version(epic, version)
    in_state("epic", epic.state, "close")
    if unfinished := open_stories_of(epic):
        raise Conflict(f"Not finished yet: {', '.join(unfinished)}.")
    return _move(epic, "close", actor)


@governed("epic.reopen", lock="epic")
def reopen_epic(*, actor: Actor, epic: Epic, version: int | None = None) -> Epic:
    """Open a closed epic again. Raises `Conflict` and `Stale`."""
    check_version(epic, version)
    in_state("epic", epic.state, "reopen")
    return _move(epic, "reopen", actor)


def _move(epic: Epic, name: str, actor: Actor) -> Epic:
    before = epic.state
    getattr(epic, name)()
    keep(epic, "state")
    event = EpicMoved(subject=epic.ref, title=epic.title, action=name, from_state=before, to_state=epic.state)
    record(event, actor=actor, before={"state": before}, after={"state": epic.state})
    return epic


@governed("epic.order", lock="project")
def order_epics(*, actor: Actor, project: Project, order: Sequence[int], version: int | None = None) -> None:
    """Show the project's epics in this order of ids. Raises `Invalid` unless each is named once, `Stale`."""
    check_version(project, version)
    known = sorted(project.epics.values_list("pk", flat=True))
    if sorted(order) != known:
        problem = f"Name each once: {', '.join(map(str, known)) or 'there are none'}."
        raise Invalid("The order does not fit the project's epics.", fields={"order": [problem]})
    for rank, pk in enumerate(order, 1):
        project.epics.filter(pk=pk).update(rank=rank)
    keep(project)
    record(EpicsOrdered(subject=project.ref, project=project.key, epics=list(order)), actor=actor)


@governed("epic.order_stories", lock="epic")
def order_stories(*, actor: Actor, epic: Epic, order: Sequence[str], version: int | None = None) -> None:
    """Show the epic's stories in this order of references.

    Raises `Stale`, and `Invalid` unless each of them is named once.
    """
    check_version(epic, version)
    known = dict(epic.stories.values_list("reference", "pk"))
    if sorted(order) != sorted(known):
        strange = sorted(set(order) - known.keys())
        lacking = sorted(known.keys() - set(order))
        said = [
            f"{word}: {', '.join(refs[:20])}." for word, refs in (("Not of it", strange), ("Missing", lacking)) if refs
        ]
        raise Invalid("The order does not fit the epic's stories.", fields={"order": said or ["Name each once."]})
    rows = [Story(pk=known[reference], epic_rank=rank) for rank, reference in enumerate(order, 1)]
    Story.objects.bulk_update(rows, ["epic_rank"], batch_size=500)
    keep(epic)
    event = EpicStoriesOrdered(subject=epic.ref, project=epic.project.key, title=epic.title, stories=list(order))
    record(event, actor=actor)


def _check(project: Project, values: dict[str, Any]) -> None:
    problems = Problems("The epic cannot be written like this.")
    problems.text(values, "title", 200, required="Say what it is about.")
    problems.text(values, "description", DESCRIPTION_LIMIT)
    strategy = values.get("strategy")
    if strategy is not None and strategy.project_id != project.pk:
        problems.add("strategy", "Choose one of this project.")
    elif strategy is not None and strategy.state == "ended":
        problems.add("strategy", "This strategy has ended.")
    problems.refuse()
