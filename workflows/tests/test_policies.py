"""No act of this room is without somebody named for it."""

import importlib
import pkgutil

import pytest

import workflows.actions
from guildhall.kernel.actions import action_names
from workflows.machines import STORY, TASK
from workflows.policies import GRANTS

pytestmark = pytest.mark.unit

OURS = (
    "project.",
    "strategy.",
    "epic.",
    "story.",
    "task.",
    "decision.",
    "sprint.",
    "comment.",
    "label.",
    "inbox.",
    "filter.",
    "attachment.",
    "council.",
)


def test_every_action_is_a_row_of_a_table_or_has_a_grant() -> None:
    for module in pkgutil.iter_modules(workflows.actions.__path__, "workflows.actions."):
        importlib.import_module(module.name)
    rows = {f"story.{name}" for name in STORY.actions} | {f"task.{name}" for name in TASK.actions}
    ours = {name for name in action_names() if name.startswith(OURS)}
    assert ours == rows | set(GRANTS)
