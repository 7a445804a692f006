"""The tools that agents call: who may call which, what each takes, and carrying a call out inside its bounds."""

from gpu_workers.brief import TaskBrief
from gpu_workers.tools.contract import (
    ActionClass,
    Sensitivity,
    Tool,
    ToolContext,
    ToolRefused,
    ToolResult,
)
from gpu_workers.tools.registry import (
    REGISTRY,
    ROLE_TOOLS,
    changes_files,
    execute,
    offered_tools,
    tools_of,
)

__all__ = [
    "REGISTRY",
    "ROLE_TOOLS",
    "ActionClass",
    "Sensitivity",
    "TaskBrief",
    "Tool",
    "ToolContext",
    "ToolRefused",
    "ToolResult",
    "changes_files",
    "execute",
    "offered_tools",
    "tools_of",
]
