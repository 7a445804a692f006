"""Tools of the PM agent: reading the backlog, and handing in an order, a sprint plan or a roadmap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpu_workers.planner.checks import ORDER, ROADMAP, SPRINT, Backlog, BacklogStory, answer_schema, problems
from gpu_workers.tools.bounds import shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, Schema, Sensitivity, ToolContext, ToolResult

NO_BACKLOG = "This run has no backlog."
PIECE = 30
"""Stories of one answer."""


def read_backlog(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    if ctx.backlog is None:
        return ToolResult(False, NO_BACKLOG)
    start = arguments.get("start", 1)
    stories = ctx.backlog.stories[start - 1 : start - 1 + PIECE]
    lines = [_line(story) for story in stories] or ["There is no story from there on."]
    after = start + len(stories)
    if after <= len(ctx.backlog.stories):
        lines.append(f"[read on from {after} of {len(ctx.backlog.stories)}]")
    return ToolResult(True, shown("\n".join([*_head(ctx.backlog), *lines]), ctx))


def _head(backlog: Backlog) -> list[str]:
    head = [f"Project {backlog.project}."]
    if backlog.sprint:
        head.append(f"Sprint: {backlog.sprint}. In it already: {', '.join(sorted(backlog.begun)) or 'nothing'}.")
    if backlog.capacity is not None:
        head.append(f"Capacity: {backlog.capacity} points.")
    if backlog.left_out:
        head.append(f"{backlog.left_out} more stories are not shown and not to be named.")
    return head


def _line(story: BacklogStory) -> str:
    needs = f"; needs {', '.join(story.needs)}" if story.needs else ""
    size = f"{story.size}, {story.points} points" if story.points else "no size"
    marks = "; may enter a sprint" if story.ready else ""
    epic = f"; epic {story.epic[:60]}" if story.epic else ""
    return f"{story.reference} [{story.state}] {story.title}: priority {story.priority or 'open'}; {size}{needs}{epic}{marks}"


@dataclass(frozen=True, slots=True)
class Propose:
    """Hands one kind of plan in. It is refused, with the reasons, unless it passes the program's checks."""

    name: str
    description: str
    kind: str
    sensitivity: Sensitivity = Sensitivity.MEDIUM
    action_class: ActionClass = ActionClass.ASK
    guided: bool = False

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.backlog is not None and ctx.backlog.kind == self.kind and bool(ctx.backlog.choosable())

    def describe(self, ctx: ToolContext) -> str:
        return f"{self.description} A person decides on it. Ends the work."

    def constrained_schema(self, ctx: ToolContext) -> Schema:
        return answer_schema(ctx.backlog or Backlog("", self.kind, (), ()))

    def run(self, arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
        if ctx.backlog is None:
            return ToolResult(False, NO_BACKLOG)
        found = problems(arguments, ctx.backlog)
        if found:
            return ToolResult(False, shown("Not taken:\n" + "\n".join(found), ctx))
        return ToolResult(True, "Handed in.", done=True)


@dataclass(frozen=True, slots=True)
class BacklogTool(FunctionTool):
    """A tool that makes sense only where there is a backlog to plan with."""

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.backlog is not None


PROPOSING = {ORDER: "propose_order", SPRINT: "plan_sprint", ROADMAP: "draft_roadmap"}
"""The tool that hands each kind of plan in."""
BACKLOG_TOOLS = (
    BacklogTool(
        "read_backlog",
        "Read the project's stories that wait: state, priority, size, what each needs, and the capacity.",
        {"start": {"type": "integer", "minimum": 1}},
        (),
        ActionClass.READ,
        read_backlog,
    ),
    Propose(
        PROPOSING[ORDER],
        "Hand in the order of the backlog: every story once, the most worth doing first, none before what it needs.",
        ORDER,
    ),
    Propose(
        PROPOSING[SPRINT],
        "Hand in the sprint plan: stories that may enter, within the capacity, each after what it needs.",
        SPRINT,
    ),
    Propose(
        PROPOSING[ROADMAP],
        "Hand in the roadmap: every story once in now, next or later, none earlier than what it needs.",
        ROADMAP,
    ),
)
