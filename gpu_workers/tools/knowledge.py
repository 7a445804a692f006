"""Tools that tell what is known: passages about some words, and the context of one's own work. What they tell is data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from gpu_workers.knowing.documents import read_documents
from gpu_workers.knowing.passages import Clean, Kind, Passage
from gpu_workers.tools.bounds import readable, shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, ToolContext, ToolResult

LEAST_TOKENS, MOST_TOKENS, TOKENS = 200, 4000, 1200
NO_WORK = "There is no work here that anything is known about."


@dataclass(frozen=True, slots=True)
class KnowledgeTool(FunctionTool):
    """A tool that makes sense only in a run of a tenant."""

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.known is not None


def search_knowledge(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    if ctx.known is None:
        return ToolResult(False, NO_WORK)
    kinds = frozenset(Kind(kind) for kind in arguments.get("kinds") or Kind)
    try:
        told = ctx.known.search(arguments["query"], kinds, partial(documents, ctx))
    except ValueError as problem:
        return ToolResult(False, str(problem))
    return ToolResult(True, shown(told.text, ctx), {"refs": list(told.refs)})


def get_context(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    if ctx.known is None:
        return ToolResult(False, NO_WORK)
    told = ctx.known.context(arguments.get("tokens", TOKENS), partial(documents, ctx))
    return ToolResult(True, shown(told.text, ctx), {"refs": list(told.refs)})


def documents(ctx: ToolContext, clean: Clean) -> list[Passage]:
    """The documents of the workspace, as far as `read_file` would show them."""
    return read_documents(ctx.workspace.tree, partial(readable, ctx=ctx), clean)


KNOWLEDGE_TOOLS = (
    KnowledgeTool(
        "search_knowledge",
        "Find what is known here about some words, best first: documents, decisions, stories, tasks, councils.",
        {
            "query": {"type": "string", "minLength": 2, "maxLength": 300},
            "kinds": {"type": "array", "items": {"enum": [str(kind) for kind in Kind]}},
        },
        ("query",),
        ActionClass.READ,
        search_knowledge,
    ),
    KnowledgeTool(
        "get_context",
        "Tell what there is to know about your work: task, story, decisions, what it waits for, past failures, comments.",
        {"tokens": {"type": "integer", "minimum": LEAST_TOKENS, "maximum": MOST_TOKENS}},
        (),
        ActionClass.READ,
        get_context,
    ),
)
