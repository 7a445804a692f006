"""Stories and tasks: tables of the tenant's schema."""

from workflows.models.planning import Decision, Derivation, Sprint
from workflows.models.story import Story, StoryDependency
from workflows.models.task import Task, TaskDependency, TaskPart
from workflows.models.tree import Epic, Project, Strategy

__all__ = [
    "Decision",
    "Derivation",
    "Epic",
    "Project",
    "Sprint",
    "Story",
    "StoryDependency",
    "Strategy",
    "Task",
    "TaskDependency",
    "TaskPart",
]
