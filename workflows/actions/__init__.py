"""What can be done to projects, stories and tasks. Each is one transaction with its audit row and its event."""

from workflows.actions.decisions import decide, propose_decision
from workflows.actions.outcomes import complete_task, mark_approved, rebind_task, request_validation
from workflows.actions.planning import TaskChange, add_task, edit_proposal, edit_task, record_proposal, reorder_tasks
from workflows.actions.projects import create_epic, create_project, create_strategy
from workflows.actions.stories import Content, create_story, edit_story
from workflows.actions.story_acts import transition_story
from workflows.actions.task_acts import release_expired_claims, renew_claim, transition_task

__all__ = [
    "Content",
    "TaskChange",
    "add_task",
    "complete_task",
    "create_epic",
    "create_project",
    "create_story",
    "create_strategy",
    "decide",
    "edit_proposal",
    "edit_story",
    "edit_task",
    "mark_approved",
    "propose_decision",
    "rebind_task",
    "record_proposal",
    "release_expired_claims",
    "renew_claim",
    "reorder_tasks",
    "request_validation",
    "transition_story",
    "transition_task",
]
