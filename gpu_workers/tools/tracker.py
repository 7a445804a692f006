"""Tools of the PM agent for its project's issue tracker: reading issues, proposing stories of them, and updating them.

What issues say was written by anybody: it is shown as data, and becomes a story only when a person accepts it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpu_workers.tools.bounds import shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, Schema, Sensitivity, ToolContext, ToolResult
from gpu_workers.trackers.importing import IssueList, answer_schema, twice
from gpu_workers.trackers.protocol import Issue, Update
from guildhall.kernel.errors import Invalid

NO_TRACKER = "This run has no issues to work with."
PIECE = 20
"""Issues of one answer."""
PROPOSE = "propose_import"


@dataclass(frozen=True, slots=True)
class IssueTool(FunctionTool):
    """A tool that makes sense only where there are issues."""

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.issues is not None


def read_issues(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    if ctx.issues is None:
        return ToolResult(False, NO_TRACKER)
    start = arguments.get("start", 1)
    part = ctx.issues.issues[start - 1 : start - 1 + PIECE]
    lines = [f"Issues of {ctx.issues.place}.", *(_line(issue, ctx.issues) for issue in part)]
    if not part:
        lines.append("There is no issue from there on.")
    after = start + len(part)
    if after <= len(ctx.issues.issues):
        lines.append(f"[read on from {after} of {len(ctx.issues.issues)}]")
    return ToolResult(True, shown("\n".join(lines), ctx), {"count": len(part)})


def _line(issue: Issue, there: IssueList) -> str:
    labels = f"; labels {', '.join(issue.labels)}" if issue.labels else ""
    story = f"; imported as {there.stories[issue.key]}" if issue.key in there.stories else ""
    return f"{issue.key} [{issue.state}] {issue.title}{labels}{story}"


def read_issue(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    issue = ctx.issues.issue(arguments["issue"]) if ctx.issues is not None else None
    if ctx.issues is None or issue is None:
        return ToolResult(False, "There is no such issue; read_issues lists them.")
    return ToolResult(True, shown(f"{_line(issue, ctx.issues)}\n{issue.url}\n\n{issue.text}".strip(), ctx))


@dataclass(frozen=True, slots=True)
class UpdateIssue:
    """Changes an issue outside: an effect like any other that leaves the workspace."""

    name: str = "update_issue"
    description: str = (
        "Comment on an issue of the tracker, add labels to it, or close it. People outside see what you do there."
    )
    sensitivity: Sensitivity = Sensitivity.HIGH
    action_class: ActionClass = ActionClass.USE_NETWORK
    guided: bool = False

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.update_issue is not None and ctx.issues is not None and bool(ctx.issues.issues)

    def describe(self, ctx: ToolContext) -> str:
        return self.description

    def constrained_schema(self, ctx: ToolContext) -> Schema:
        """Only issues that this run was shown can be named."""
        keys = [issue.key for issue in ctx.issues.issues] if ctx.issues is not None else []
        label = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": r"^[^\x00-\x1f,]+$"}
        properties: Schema = {
            "issue": {"type": "string", "enum": keys} if keys else {"type": "string", "maxLength": 40},
            "comment": {"type": "string", "minLength": 10, "maxLength": 4000},
            "labels": {"type": "array", "items": label, "minItems": 1, "maxItems": 10, "uniqueItems": True},
            "close": {"const": True},
        }
        return {
            "type": "object",
            "properties": properties,
            "required": ["issue"],
            "minProperties": 2,
            "additionalProperties": False,
        }

    def run(self, arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
        if ctx.update_issue is None:
            return ToolResult(False, NO_TRACKER)
        # What people outside read is kept as free of secrets as what models read.
        said = shown(arguments.get("comment", ""), ctx)
        labels = tuple(arguments.get("labels", ()))
        if any(shown(label, ctx) != label for label in labels):
            return ToolResult(
                False, "A label holds what the policy keeps inside. Use other labels; nothing was changed."
            )
        wanted = Update(said, labels, arguments.get("close", False))
        try:
            done = ctx.update_issue(arguments["issue"], wanted)
        except Invalid as refused:
            return ToolResult(False, shown(refused.detail, ctx))
        text = f"{arguments['issue']}: {', '.join(done) or 'it was so already'}."
        return ToolResult(True, shown(text, ctx), {"done": done})


@dataclass(frozen=True, slots=True)
class ProposeImport:
    """Hands in which issues should become stories. A person decides; what they say is imported as it was shown."""

    name: str = PROPOSE
    description: str = (
        "Hand in which issues should become stories, each with a title, a priority and, where it shows, a size. None of "
        "them where none is worth one. A person decides on it. Ends the work."
    )
    sensitivity: Sensitivity = Sensitivity.MEDIUM
    action_class: ActionClass = ActionClass.ASK
    guided: bool = False

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.issues is not None

    def describe(self, ctx: ToolContext) -> str:
        return self.description

    def constrained_schema(self, ctx: ToolContext) -> Schema:
        return answer_schema(ctx.issues or IssueList("", ()))

    def run(self, arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
        if ctx.issues is None:
            return ToolResult(False, NO_TRACKER)
        if found := twice(arguments):
            return ToolResult(False, shown("Not taken:\n" + "\n".join(found), ctx))
        return ToolResult(True, "Handed in.", done=True)


TRACKER_TOOLS = (
    IssueTool(
        "read_issues",
        "List the open issues of the project's issue tracker: key, title, labels, and what those became that were imported.",
        {"start": {"type": "integer", "minimum": 1}},
        (),
        ActionClass.READ,
        read_issues,
    ),
    IssueTool(
        "read_issue",
        "Read one issue in full.",
        {"issue": {"type": "string", "minLength": 1, "maxLength": 40}},
        ("issue",),
        ActionClass.READ,
        read_issue,
    ),
    UpdateIssue(),
    ProposeImport(),
)
