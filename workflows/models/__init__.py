"""Projects, stories, tasks and what plans them: tables of the tenant's schema."""

from workflows.models.attachment import Attachment
from workflows.models.comment import Comment
from workflows.models.council import Contribution, Council, CouncilScore, CouncilSeat
from workflows.models.label import Label
from workflows.models.planning import Decision, Derivation, Sprint, SprintChange
from workflows.models.saved import SavedFilter
from workflows.models.schedule import StrategyRun, StrategySchedule
from workflows.models.story import Story, StoryDependency
from workflows.models.task import Task, TaskDependency, TaskPart
from workflows.models.tree import Epic, Project, ProjectRepository, Strategy
from workflows.models.watch import Notice, NoticeKind, Watch

__all__ = [
    "Attachment",
    "Comment",
    "Contribution",
    "Council",
    "CouncilScore",
    "CouncilSeat",
    "Decision",
    "Derivation",
    "Epic",
    "Label",
    "Notice",
    "NoticeKind",
    "Project",
    "ProjectRepository",
    "SavedFilter",
    "Sprint",
    "SprintChange",
    "Story",
    "StoryDependency",
    "Strategy",
    "StrategyRun",
    "StrategySchedule",
    "Task",
    "TaskDependency",
    "TaskPart",
    "Watch",
]
