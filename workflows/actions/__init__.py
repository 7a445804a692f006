"""What can be done to projects, stories and tasks. Each is one transaction with its audit row and its event."""

from workflows.actions.decisions import decide, edit_decision, propose_decision, supersede_decision
from workflows.actions.epics import close_epic, create_epic, edit_epic, order_epics, order_stories, reopen_epic
from workflows.actions.outcomes import complete_task, mark_approved, rebind_task, request_validation
from workflows.actions.planning import TaskChange, add_task, edit_proposal, edit_task, record_proposal, reorder_tasks
from workflows.actions.projects import (
    add_repository,
    create_project,
    edit_project,
    edit_repository,
    remove_repository,
)
from workflows.actions.sprints import close_sprint, edit_sprint, open_sprint
from workflows.actions.stories import Content, Place, create_story, edit_story
from workflows.actions.story_acts import transition_story
from workflows.actions.strategies import create_strategy, edit_strategy, remove_schedule, set_schedule
from workflows.actions.task_acts import release_expired_claims, renew_claim, transition_task

__all__ = [
    "Content",
    "Place",
    "TaskChange",
    "add_repository",
    "add_task",
    "close_epic",
    "close_sprint",
    "complete_task",
    "create_epic",
    "create_project",
    "create_story",
    "create_strategy",
    "decide",
    "edit_decision",
    "edit_epic",
    "edit_project",
    "edit_proposal",
    "edit_repository",
    "edit_sprint",
    "edit_story",
    "edit_strategy",
    "edit_task",
    "mark_approved",
    "open_sprint",
    "order_epics",
    "order_stories",
    "propose_decision",
    "rebind_task",
    "record_proposal",
    "release_expired_claims",
    "remove_repository",
    "remove_schedule",
    "renew_claim",
    "reopen_epic",
    "reorder_tasks",
    "request_validation",
    "set_schedule",
    "supersede_decision",
    "transition_story",
    "transition_task",
]
