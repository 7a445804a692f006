"""Tools of who reviews: searching what happened to the work, and saying something about it where people read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpu_workers.tools.bounds import shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, Schema, ToolContext, ToolResult

AREAS = ("planning", "delivery", "agent", "governance")
"""What of the audit trail agents see: the work. Who signed in from where is not theirs to read."""


@dataclass(frozen=True, slots=True)
class AuditTool(FunctionTool):
    """A tool that makes sense only in a run of a tenant."""

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.audit is not None


@dataclass(frozen=True, slots=True)
class CommentTool(FunctionTool):
    """A tool that makes sense only where there is a task to talk about; of lines, only where a change is judged."""

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.comment is not None

    def constrained_schema(self, ctx: ToolContext) -> Schema:
        shown = {name: about for name, about in self.properties.items() if ctx.remark or name == "text"}
        return {"type": "object", "properties": shown, "required": list(self.required), "additionalProperties": False}


def audit(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    if ctx.audit is None:
        return ToolResult(False, "There is no audit trail here.")
    found = ctx.audit(arguments["area"], arguments.get("text", ""), arguments.get("about", ""))
    return ToolResult(True, shown("\n".join(found) or "Nothing found.", ctx), {"count": len(found)})


def comment(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    if ctx.comment is None:
        return ToolResult(False, "There is no task to comment on.")
    # What people read is kept as free of secrets as what models read.
    text = shown(arguments["text"], ctx)
    if ctx.remark is None or not {"path", "line"} & set(arguments):
        return ToolResult(True, ctx.comment(text))
    if not {"path", "line"} <= set(arguments):
        return ToolResult(False, "Give path and line together, or neither.")
    return ToolResult(*ctx.remark(text, arguments["path"], arguments["line"], arguments.get("side", "new")))


RECORD_TOOLS = (
    AuditTool(
        "audit",
        "Search the audit trail of the work, newest first: what was done, by whom and why.",
        {
            "area": {"enum": list(AREAS)},
            "text": {"type": "string", "maxLength": 100, "description": "Words in what happened or why."},
            "about": {"type": "string", "maxLength": 120, "description": "One thing only, such as story:SHOP-1."},
        },
        ("area",),
        ActionClass.READ,
        audit,
    ),
    CommentTool(
        "comment",
        "Write a comment on the task, for people to read; with `path` and `line`, on that line of the change.",
        {
            "text": {"type": "string", "minLength": 10, "maxLength": 4000},
            "path": {"type": "string", "maxLength": 1000},
            "line": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
            "side": {"enum": ["new", "old"], "description": "The file after the change, or before it."},
        },
        ("text",),
        ActionClass.ASK,
        comment,
    ),
)
