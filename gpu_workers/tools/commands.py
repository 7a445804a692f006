"""Tools that run something, look at the change, or ask a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpu_workers.reach.door import MIB, DoorLimits, opened_door
from gpu_workers.redacting import redacting
from gpu_workers.repos import FileDiff, headline, log, workspace_diff
from gpu_workers.sandbox import SandboxCommand, SandboxResult
from gpu_workers.tools.bounds import checked_command, readable, shown
from gpu_workers.tools.contract import (
    ActionClass,
    FunctionTool,
    Schema,
    Sensitivity,
    ToolContext,
    ToolRefused,
    ToolResult,
)
from guildhall.kernel.unseen import seen

NETWORK = "network"
ASK_HUMAN = "ask_human"
QUESTION_CHARS = (10, 1000)
"""How long a question to people is at least and at most."""
OUTWARD = DoorLimits(received=512 * MIB, sent=16 * MIB, connections=1000, at_once=64)
"""What a command may fetch fills a workspace; what it may say is little more than questions."""


@dataclass(frozen=True, slots=True)
class CommandTool(FunctionTool):
    """A tool that runs a command: without network, unless the call asks for the hosts that the policy lists."""

    def constrained_schema(self, ctx: ToolContext) -> Schema:
        schema = FunctionTool.constrained_schema(self, ctx)
        if ctx.reach is None:
            return schema
        asked = {"type": "boolean", "description": "Reach the hosts that the policy lists, by HTTP_PROXY alone."}
        return {**schema, "properties": {**self.properties, NETWORK: asked}}


def reaches_out(name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a call asks to run a command with a way out of the sandbox: that is another act than running it."""
    return name in _NAMES and bool(arguments.get(NETWORK))


def _run(command: str, arguments: Mapping[str, Any], ctx: ToolContext) -> ToolResult:
    if not arguments.get(NETWORK):
        return _told(_result(command, ctx, None), ctx)
    if ctx.reach is None:
        raise ToolRefused("network", "The policy lists no host.")
    box = ctx.sandbox
    with opened_door(ctx.reach, box.settings.runtime, box.owner, OUTWARD) as door:
        result = _result(command, ctx, door.place)
    missed = [*(f"failed {one}" for one in door.failed), *(f"refused {one}" for one in door.refused)]
    lines = [f"[network: {line}]" for line in (*door.connections, *missed)]
    if ctx.on_output is not None and lines:
        ctx.on_output("\n".join([*lines, ""]).encode())
    told = _told(result, ctx, lines)
    return replace(told, data={**told.data, "asked": list(door.asked), "refused": list(door.refused)})


def _result(command: str, ctx: ToolContext, door: Path | None) -> SandboxResult:
    listen, finish = redacting(ctx.on_output)
    job = SandboxCommand(command, ctx.workspace.tree, limits=ctx.limits, git_dir=ctx.workspace.git_dir, door=door)
    result = ctx.sandbox.run(job, listen, ctx.cancel)
    finish()
    return result


def _told(result: SandboxResult, ctx: ToolContext, network: Sequence[str] = ()) -> ToolResult:
    ended = ctx.limits.ended_by(result.killed_by) if result.killed_by else f"exit status {result.exit_code}"
    text = shown("\n".join([f"[{ended}]", *network, result.output]), ctx)
    data = {"exit_code": result.exit_code, "killed_by": result.killed_by, "duration_s": result.duration_s}
    return ToolResult(result.ok, text, data)


def run_command(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    return _run(checked_command(arguments["command"], ctx), arguments, ctx)


def run_tests(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    if not ctx.ci_command:
        return ToolResult(False, "The project names no CI command.")
    return _run(ctx.ci_command, arguments, replace(ctx, limits=ctx.ci_limits))


def _changes(ctx: ToolContext) -> list[FileDiff]:
    """What may be told of it: where a file was moved, the lines are those of both names."""
    changes = workspace_diff(ctx.workspace, ctx.base_sha)
    return [change for change in changes if all(readable(path, ctx) for path in (change.path, change.old_path) if path)]


def git_status(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    lines = [headline(change) for change in _changes(ctx)]
    return ToolResult(True, shown("\n".join(lines) or "Nothing has changed.", ctx), {"files": len(lines)})


def git_diff(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    parts = []
    for change in _changes(ctx):
        note = "[binary]\n" if change.binary else "[cut]\n" if change.truncated else ""
        old, new = seen(change.old_path or change.path, ""), seen(change.path, "")
        parts.append(f"--- {old}\n+++ {new}\n{change.text}{note}")
    return ToolResult(True, shown("".join(parts) or "Nothing has changed.", ctx), {"files": len(parts)})


def git_log(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    commits = log(ctx.workspace.git_dir, ctx.head_sha or ctx.base_sha, limit=arguments.get("count", 20))
    lines = [f"{commit.sha[:12]} {commit.when:%Y-%m-%d} {commit.author}: {commit.subject}" for commit in commits]
    return ToolResult(True, shown("\n".join(lines), ctx), {"commits": len(commits)})


def ask_human(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    """What people answered: the run ended its turn with the question, and is carried on with it once there is an answer."""
    return ToolResult(bool(ctx.answer), ctx.answer or "There is nobody here to answer.")


COMMAND_TOOLS = (
    CommandTool(
        "run_command",
        "Run a shell command in the workspace: no network unless it is asked for, only the workspace is writable.",
        {"command": {"type": "string", "minLength": 1, "maxLength": 8000}},
        ("command",),
        ActionClass.RUN,
        run_command,
        Sensitivity.HIGH,
    ),
    CommandTool(
        "run_tests",
        "Run the project's own checks on the workspace.",
        {},
        (),
        ActionClass.TEST,
        run_tests,
        Sensitivity.MEDIUM,
    ),
    FunctionTool("git_status", "List the files that the run has changed.", {}, (), ActionClass.READ, git_status),
    FunctionTool("git_diff", "Show what the run has changed.", {}, (), ActionClass.READ, git_diff),
    FunctionTool(
        "git_log",
        "Show the latest commits, the ones to judge first.",
        {"count": {"type": "integer", "minimum": 1, "maximum": 100}},
        (),
        ActionClass.READ,
        git_log,
    ),
    FunctionTool(
        ASK_HUMAN,
        "Ask a person, where the task cannot be done without an answer. The work waits for it.",
        {"question": {"type": "string", "minLength": QUESTION_CHARS[0], "maxLength": QUESTION_CHARS[1]}},
        ("question",),
        ActionClass.ASK,
        ask_human,
    ),
)
_NAMES = frozenset(tool.name for tool in COMMAND_TOOLS if isinstance(tool, CommandTool))
