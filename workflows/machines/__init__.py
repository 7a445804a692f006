"""The state machines of stories and tasks as data, without Django: code, API, portal and docs read these tables."""

from workflows.machines.core import (
    FEEDBACK_MIN,
    Machine,
    Offer,
    Refusal,
    RefusalKind,
    Transition,
    allowed_actions,
    refusals,
)
from workflows.machines.documents import diagram, markdown_table
from workflows.machines.facts import (
    APPROVER,
    IMPLEMENTER,
    PARTS,
    REVIEWER,
    TESTER,
    CommitEvidence,
    Given,
    MergeReceipt,
    StoryFacts,
    TaskFacts,
    TaskLine,
    TestReport,
    Who,
)
from workflows.machines.story_table import EXECUTING, READY_SCORE, STORY
from workflows.machines.task_table import TASK, UNCLAIMED

__all__ = [
    "APPROVER",
    "EXECUTING",
    "FEEDBACK_MIN",
    "IMPLEMENTER",
    "PARTS",
    "READY_SCORE",
    "REVIEWER",
    "STORY",
    "TASK",
    "TESTER",
    "UNCLAIMED",
    "CommitEvidence",
    "Given",
    "Machine",
    "MergeReceipt",
    "Offer",
    "Refusal",
    "RefusalKind",
    "StoryFacts",
    "TaskFacts",
    "TaskLine",
    "TestReport",
    "Transition",
    "Who",
    "allowed_actions",
    "diagram",
    "markdown_table",
    "refusals",
]
