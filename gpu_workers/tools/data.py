"""The tool that reads the project's database. What may be asked, and as whom, is decided where it is asked."""

from __future__ import annotations

from typing import Any

from gpu_workers.reach.querying import QueryError
from gpu_workers.tools.bounds import shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, Sensitivity, ToolContext, ToolResult

NONE = "The project names no database."


def query_db(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    if ctx.database is None:
        return ToolResult(False, NONE)
    try:
        found = ctx.database(arguments["query"])
    except QueryError as problem:
        return ToolResult(False, shown(str(problem), ctx))
    if found is None:
        return ToolResult(False, NONE)
    more = ["[… there are more rows …]"] if found.cut else []
    text = "\n".join([*found.lines, *more]) or "No rows."
    return ToolResult(True, shown(text, ctx), {"rows": len(found.lines), "cut": found.cut})


DATA_TOOLS = (
    FunctionTool(
        "query_db",
        "Read the project's PostgreSQL with one SELECT. Each row comes as JSON, at most 200 of them.",
        {"query": {"type": "string", "minLength": 8, "maxLength": 8000}},
        ("query",),
        ActionClass.READ,
        query_db,
        Sensitivity.HIGH,
    ),
)
