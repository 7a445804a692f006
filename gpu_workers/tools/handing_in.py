"""Tools of who changes a repository: a commit of what is there now, and handing the work in with words of one's own.

What they lead to is judged elsewhere: a commit by the rules of every commit, a change request by CI and people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpu_workers.tools.contract import ActionClass, FunctionTool, Sensitivity, ToolContext, ToolResult
from gpu_workers.wording import MOST_BODY, MOST_TITLE, lines, one_line
from guildhall.kernel.redaction import redact

HAND_IN = "open_change_request"


@dataclass(frozen=True, slots=True)
class ChangeTool(FunctionTool):
    """A tool that makes sense only where commits are made."""

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.commit is not None


def git_commit(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    if ctx.commit is None:
        return ToolResult(False, "Nothing is committed here.")
    return ctx.commit(_words(arguments["message"], ctx))


def open_change_request(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    """The caller ends the work; once CI is green on its last commit the change request is opened in these words."""
    title = one_line(_words(arguments["title"], ctx), MOST_TITLE)
    description = _words(arguments["description"], ctx)
    if not title:
        return ToolResult(False, "The title holds no words.")
    said = f"Handed in as {title!r}: it is proposed once CI is green on it."
    return ToolResult(True, said, {"words": {"title": title, "description": description}}, done=True)


def _words(text: str, ctx: ToolContext) -> str:
    """What there is to read of `text`, without secrets and what the policy forbids in an output: looked for last, since a
    secret may hide behind what is not seen."""
    return ctx.mask(redact(lines(text, MOST_BODY)))


HAND_IN_TOOLS = (
    ChangeTool(
        "git_commit",
        "Commit what the workspace holds now, where one step of the work stands by itself. The first line of the message "
        "says what the step does. What is left uncommitted at the end is committed for you.",
        {"message": {"type": "string", "minLength": 3, "maxLength": MOST_BODY}},
        ("message",),
        ActionClass.COMMIT,
        git_commit,
        Sensitivity.MEDIUM,
    ),
    ChangeTool(
        HAND_IN,
        "Hand the work in: a title of one line, and a description of what was changed and why, for those who review it. "
        "It is proposed in these words once CI is green. Ends the work.",
        {
            "title": {"type": "string", "minLength": 3, "maxLength": MOST_TITLE},
            "description": {"type": "string", "maxLength": MOST_BODY},
        },
        ("title", "description"),
        ActionClass.ASK,
        open_change_request,
        Sensitivity.MEDIUM,
    ),
)
