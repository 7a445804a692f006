"""Tools that apply what a run planned. Each one is a question to people first; what they saw is what is applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpu_workers.tools.bounds import shown
from gpu_workers.tools.contract import ActionClass, Schema, Sensitivity, ToolContext, ToolResult

NOT_HERE = "Nothing can be applied here."


@dataclass(frozen=True, slots=True)
class ApplyTool:
    """Applies a plan of one kind; offered where the project names a place for it."""

    name: str
    description: str
    kind: str
    sensitivity: Sensitivity = Sensitivity.HIGH
    action_class: ActionClass = ActionClass.DEPLOY
    guided: bool = False

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.apply is not None and self.kind in ctx.targets

    def describe(self, ctx: ToolContext) -> str:
        return self.description

    def constrained_schema(self, ctx: ToolContext) -> Schema:
        return {
            "type": "object",
            "properties": {
                "plan": {
                    "type": "string",
                    "pattern": r"^[\w.]{1,80}$",
                    "description": "The plan as its answer calls it.",
                }
            },
            "required": ["plan"],
            "additionalProperties": False,
        }

    def run(self, arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
        if ctx.apply is None:
            return ToolResult(False, NOT_HERE)
        found = ctx.apply(arguments)
        return ToolResult(found.ok, shown(found.text, ctx), found.data)


APPLY_TOOLS = (
    ApplyTool(
        "migrate_apply",
        "Apply a plan that migrate_plan made in this run to the project's database. People read its SQL and allow it first; "
        "each migration is one transaction.",
        "database",
    ),
    ApplyTool(
        "kubernetes_apply",
        "Apply a plan that kubernetes_plan made in this run to the project's namespace of its cluster, by server-side apply. "
        "People read its objects and allow it first; the cluster's dry run has to accept all of them.",
        "kubernetes",
    ),
    ApplyTool(
        "helm_apply",
        "Apply a plan that helm_plan made in this run to the project's namespace of its cluster: the objects as they were "
        "rendered. People read them and allow it first; no release of Helm is recorded.",
        "helm",
    ),
)
