"""What happened to a story and its tasks."""

from typing import Any

from guildhall.evidence.selectors import trail
from guildhall.kernel.actor import Actor
from workflows.models import Story, Task
from workflows.policies import sees_all
from workflows.selectors.lists import find_story, find_task


def activity(actor: Actor, row: Story | Task, *, limit: int = 100, before: int | None = None) -> list[dict[str, Any]]:
    """Audit entries about the item, a story's with its tasks', newest first; `before` is the id of an older page's end.

    Clients read none: the trail holds what the team says among itself. Raises `NotFound` when the item is hidden.
    """
    item = find_task(actor, row.reference) if isinstance(row, Task) else find_story(actor, row.reference)
    if not sees_all(actor):
        return []
    subjects = [item.ref] if isinstance(item, Task) else [item.ref, *(task.ref for task in item.tasks.all())]
    return trail(subjects, limit, before=before)
