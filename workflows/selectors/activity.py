"""What happened to a story and its tasks."""

from typing import Any

from guildhall.evidence.selectors import trail
from guildhall.kernel.actor import Actor
from workflows.models import Story, Task
from workflows.selectors.lists import find_story, find_task


def activity(actor: Actor, row: Story | Task, *, limit: int = 100) -> list[dict[str, Any]]:
    """Audit entries about the item, a story's with its tasks', newest first. Raises `NotFound` when it is hidden."""
    if isinstance(row, Task):
        return trail([find_task(actor, row.reference).ref], limit)
    story = find_story(actor, row.reference)
    return trail([story.ref, *(task.ref for task in story.tasks.all())], limit)
