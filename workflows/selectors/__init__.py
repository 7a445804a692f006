"""Reading stories and tasks. Every list starts from what the actor may see."""

from workflows.selectors.activity import activity
from workflows.selectors.lists import (
    find_project,
    find_story,
    find_task,
    offers_for,
    pending_for,
    stories_visible_to,
    tasks_visible_to,
)

__all__ = [
    "activity",
    "find_project",
    "find_story",
    "find_task",
    "offers_for",
    "pending_for",
    "stories_visible_to",
    "tasks_visible_to",
]
