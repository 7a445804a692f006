"""Deriving a story's tasks: schema, checks and the one retry. Nothing here knows a model, a vendor or Django."""

from workflows.planning.derivation import Complete, DerivationFailed, Derived, derive
from workflows.planning.drafts import Planning, Standing, TaskDraft, find_cycle, problems_of, strange_needs

__all__ = [
    "Complete",
    "DerivationFailed",
    "Derived",
    "Planning",
    "Standing",
    "TaskDraft",
    "derive",
    "find_cycle",
    "problems_of",
    "strange_needs",
]
