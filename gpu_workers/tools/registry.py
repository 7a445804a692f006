"""Which role may call which tool, and carrying a call out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from governance.autonomy import Risk
from gpu_workers.confined import PathRefused
from gpu_workers.loop.protocols import ToolSpec
from gpu_workers.repos import GitError
from gpu_workers.tools.applying import APPLY_TOOLS
from gpu_workers.tools.backlog import BACKLOG_TOOLS
from gpu_workers.tools.bounds import shown
from gpu_workers.tools.commands import COMMAND_TOOLS, reaches_out
from gpu_workers.tools.containers import CONTAINER_TOOLS
from gpu_workers.tools.contract import ActionClass, Sensitivity, Tool, ToolContext, ToolRefused, ToolResult
from gpu_workers.tools.data import DATA_TOOLS
from gpu_workers.tools.files import FILE_TOOLS
from gpu_workers.tools.handing_in import HAND_IN, HAND_IN_TOOLS
from gpu_workers.tools.knowledge import KNOWLEDGE_TOOLS
from gpu_workers.tools.language import LANGUAGE_TOOLS
from gpu_workers.tools.logs import LOG_TOOLS
from gpu_workers.tools.migrations import MIGRATION_TOOLS
from gpu_workers.tools.plans import PLAN_TOOLS
from gpu_workers.tools.record import RECORD_TOOLS
from gpu_workers.tools.tracker import TRACKER_TOOLS
from gpu_workers.tools.web import BROWSE, WEB_TOOLS
from gpu_workers.tools.write_grounded import WriteGrounded
from workflows.planning.drafts import RISKS

logger = logging.getLogger(__name__)

EVERYONE = ("read_file", "list_files", "search_code", *(tool.name for tool in KNOWLEDGE_TOOLS), "ask_human")
ROLE_TOOLS: Mapping[str, tuple[str, ...]] = {
    "developer": (
        *EVERYONE,
        "write_file",
        "apply_patch",
        "write_grounded",
        "run_command",
        "run_tests",
        "git_status",
        "git_diff",
        *(tool.name for tool in HAND_IN_TOOLS),
        *(tool.name for tool in LANGUAGE_TOOLS),
        "container_build",
    ),
    "architect": (*EVERYONE, "git_status", "git_diff", "git_log", *(tool.name for tool in RECORD_TOOLS)),
    "qa": (*EVERYONE, "run_tests", "run_command", "http_request", "query_db", *(tool.name for tool in CONTAINER_TOOLS)),
    "devops": (
        *EVERYONE,
        *(tool.name for tool in (*LOG_TOOLS, *PLAN_TOOLS)),
        "kubernetes_apply",
        "helm_apply",
        BROWSE,
    ),
    "data": (*EVERYONE, "run_tests", "query_db", "migrate_plan", "migrate_apply"),
    "planner": (*EVERYONE, *(tool.name for tool in (*BACKLOG_TOOLS, *TRACKER_TOOLS))),
}
"""Role of the agent -> names of the tools that it may call."""


SPARE = frozenset(
    tool.name
    for group in (
        KNOWLEDGE_TOOLS,
        LANGUAGE_TOOLS,
        WEB_TOOLS,
        DATA_TOOLS,
        RECORD_TOOLS,
        MIGRATION_TOOLS,
        PLAN_TOOLS,
        CONTAINER_TOOLS,
        APPLY_TOOLS,
    )
    for tool in group
) | {"update_issue", "git_commit"}
"""Tools that work can be done without: a small window is spared them."""


class ToolRegistry:
    """Tools by name, and the roles that get them."""

    def __init__(self, tools: Iterable[Tool], roles: Mapping[str, Iterable[str]]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._roles = {role: set(names) for role, names in roles.items()}

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def names(self) -> list[str]:
        """The names of all tools, in a fixed order."""
        return sorted(self._tools)

    def allowed(self, role: str, name: str) -> bool:
        return name in self._tools and name in self._roles.get(role, ())

    def of_role(self, role: str) -> list[Tool]:
        return [tool for tool in self._tools.values() if self.allowed(role, tool.name)]


REGISTRY = ToolRegistry(
    (
        *FILE_TOOLS,
        *KNOWLEDGE_TOOLS,
        WriteGrounded(),
        *COMMAND_TOOLS,
        *LANGUAGE_TOOLS,
        *LOG_TOOLS,
        *BACKLOG_TOOLS,
        *WEB_TOOLS,
        *DATA_TOOLS,
        *RECORD_TOOLS,
        *TRACKER_TOOLS,
        *MIGRATION_TOOLS,
        *PLAN_TOOLS,
        *CONTAINER_TOOLS,
        *APPLY_TOOLS,
        *HAND_IN_TOOLS,
    ),
    ROLE_TOOLS,
)


def tools_of(role: str) -> list[Tool]:
    """The tools that a role may call, in a fixed order."""
    return REGISTRY.of_role(role)


def changes_files(role: str) -> bool:
    """Whether agents of `role` have a tool to change a workspace with; others look into a task for people."""
    return any(tool.action_class is ActionClass.WRITE_WORKSPACE for tool in tools_of(role))


def offered_tools(ctx: ToolContext, *, guided: bool = False) -> list[ToolSpec]:
    """What to offer the model now. `guided`, for a model without tool calls: only guided tools, where there are any."""
    tools = [tool for tool in tools_of(ctx.role) if tool.offered(ctx)]
    if guided:
        tools = [tool for tool in tools if tool.guided] or tools
    return [
        ToolSpec(tool.name, tool.describe(ctx), tool.constrained_schema(ctx), tool.guided, tool.name == HAND_IN)
        for tool in tools
    ]


def question_risk(name: str, arguments: Mapping[str, Any], work: str) -> str:
    """The risk at which people are asked about a call, for work of the risk `work`: of a sensitive one, never low.

    What is applied outside is high, whatever the work.
    """
    tool = REGISTRY.get(name)
    if tool is not None and tool.action_class is ActionClass.DEPLOY:
        return str(Risk.HIGH)
    sensitive = tool is not None and (tool.sensitivity is Sensitivity.HIGH or reaches_out(name, arguments))
    return max(work, str(Risk.MEDIUM if sensitive else Risk.LOW), key=RISKS.index)


def execute(name: str, arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    """Carry one call out. Bad arguments come back as a result that tells the model what would be accepted.

    Raises ToolRefused, before anything has run, for a tool outside the role, a path or a command outside the bounds;
    SandboxUnavailable where a command cannot be isolated.
    """
    tool = REGISTRY.get(name)
    if tool is None or not REGISTRY.allowed(ctx.role, name):
        raise ToolRefused("role", f"The role {ctx.role} may not call {name[:100]!r}.")
    problems = _problems(arguments, tool.constrained_schema(ctx))
    if problems:
        return ToolResult(False, shown("The arguments were not accepted:\n" + "\n".join(problems), ctx))
    if not tool.offered(ctx):
        return ToolResult(False, f"{name} cannot be used for this task now.")
    try:
        return tool.run(arguments, ctx)
    except FileNotFoundError as problem:
        return ToolResult(False, f"There is no such file or folder: {arguments.get('path') or problem.filename}.")
    except GitError as problem:
        logger.warning("%s: %s", name, problem)
        return ToolResult(False, shown(problem.said, ctx))
    except PathRefused as problem:
        return ToolResult(False, shown(str(problem), ctx))


def _problems(arguments: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    found = sorted(Draft202012Validator(schema).iter_errors(arguments), key=lambda error: list(map(str, error.path)))
    return [f"{'.'.join(map(str, error.path)) or 'arguments'}: {error.message[:300]}" for error in found[:5]]
