"""Tools that build an image from a Containerfile of the workspace, and run what was built, in a sandbox of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from gpu_workers.confined import confined_files, confined_read
from gpu_workers.containers import (
    BaseImages,
    Build,
    BuildError,
    Built,
    Order,
    Recipe,
    RecipeRefused,
    build,
    find_builder,
    read_recipe,
)
from gpu_workers.containers.building import machine
from gpu_workers.containers.context import ContextTooLarge
from gpu_workers.containers.lines import MAX_TEXT
from gpu_workers.redacting import redacting
from gpu_workers.tools.bounds import checked_command, checked_path, readable, shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, Sensitivity, ToolContext, ToolResult
from gpu_workers.tools.files import PATH

NAMES = ("Containerfile", "Dockerfile")
NAMED = re.compile(r"(?:^|/)(?:Containerfile|Dockerfile)(?:[.-][\w.-]+)?\Z|\.(?:containerfile|dockerfile)\Z")
RUN_S = 20
ENTRIES = 12
"""Names of ports, variables and the like that are shown of each kind."""


@dataclass(frozen=True, slots=True)
class ContainerTool(FunctionTool):
    """A tool that makes sense only where there is a builder that can be root inside, and something to build."""

    def offered(self, ctx: ToolContext) -> bool:
        tree = ctx.workspace.tree
        if not ctx.sandbox.can_be_root:
            return False
        return find_builder() is not None and tree.is_dir() and any(map(NAMED.search, confined_files(tree)))


def container_build(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    return _carried_out(arguments, ctx, run=False)


def container_run(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    return _carried_out(arguments, ctx, run=True)


def _carried_out(arguments: dict[str, Any], ctx: ToolContext, *, run: bool) -> ToolResult:
    folder = checked_path(arguments.get("folder", ""), ctx) if arguments.get("folder") else ""
    path = _recipe_path(arguments, folder, ctx)
    bases = BaseImages(ctx.base_images)
    listen, finish = redacting(ctx.on_output)
    try:
        text = confined_read(ctx.workspace.tree, path, 4 * MAX_TEXT).decode("utf-8", "replace")
        recipe = read_recipe(text, bases.find, [base.reference for base in bases.all()], machine())
        for command in recipe.commands:
            checked_command(command, ctx)
        order = _order(arguments, ctx, recipe, folder, run=run)
        may_see = partial(readable, ctx=ctx)
        done = build(order, bases, ctx.sandbox, ctx.limits, ctx.workspace.root, may_see, listen, ctx.cancel)
    except RecipeRefused as why:
        return ToolResult(False, shown(f"{path}, {why}\nNothing was run.", ctx), {"refused": True})
    except ContextTooLarge as why:
        return ToolResult(False, shown(f"The context {folder or 'of the whole workspace'} is too large: {why}.", ctx))
    except BuildError as why:
        return ToolResult(False, shown(str(why), ctx))
    finish()
    return _told(done, recipe, ctx)


def _recipe_path(arguments: dict[str, Any], folder: str, ctx: ToolContext) -> str:
    """The file that was named, or the one of the usual names in the folder. Raises FileNotFoundError, ToolRefused."""
    if "file" in arguments:
        return checked_path(arguments["file"], ctx)
    here = [f"{folder}/{name}" if folder else name for name in NAMES]
    there = confined_files(ctx.workspace.tree, folder)
    return checked_path(next((path for path in here if path in there), here[0]), ctx)


def _order(arguments: dict[str, Any], ctx: ToolContext, recipe: Recipe, folder: str, *, run: bool) -> Order:
    target = arguments.get("target", "")
    if target and target.lower() not in recipe.stages:
        named = ", ".join(filter(None, recipe.stages)) or "none has a name"
        raise RecipeRefused(1, f"There is no stage {target!r}: {named}.")
    words: list[str] | None = None
    if run:
        words = ["/bin/sh", "-c", checked_command(arguments["command"], ctx)] if "command" in arguments else []
    return Order(recipe, ctx.workspace.tree, folder, target, words, arguments.get("seconds", RUN_S))


def _told(done: Build, recipe: Recipe, ctx: ToolContext) -> ToolResult:
    result, built = done.result, done.built
    data: dict[str, Any] = {
        "killed_by": result.killed_by,
        "duration_s": result.duration_s,
        "bases": [base.digest for base in recipe.bases.values()],
    }
    if built is None:
        ended = ctx.limits.ended_by(result.killed_by) if result.killed_by else f"exit status {result.exit_code}"
        head = f"[not built: {ended}] {done.step or 'before the first step'}"
        return ToolResult(False, shown(f"{head}\n{result.output}", ctx), {**data, "step": done.step})
    warnings = [*recipe.warnings, *_warnings(built)]
    data |= {"digest": built.digest, "layers": built.layers, "size": built.size, "warnings": warnings}
    ok, ran = _ran(built)
    lines = [*ran, *_facts(built), *(f"warning: {one}" for one in warnings), "", result.output]
    return ToolResult(ok, shown("\n".join(lines), ctx), data | ({} if built.ran is None else {"ran": built.ran}))


def _ran(built: Built) -> tuple[bool, list[str]]:
    if built.ran is None:
        return True, []
    if "error" in built.ran:
        return False, [f"[built, but not run: {str(built.ran['error'])[:200]}]"]
    status = built.ran.get("status")
    if status is None:
        return True, ["[it ran until its time was up]"]
    return status == 0, [f"[exit status {status}]"]


def _warnings(built: Built) -> list[str]:
    user = str(built.config.get("User") or "").partition(":")[0]
    return ["it runs as root: name a USER"] if user in ("", "0", "root") else []


def _facts(built: Built) -> list[str]:
    config = built.config
    facts = [f"built {built.digest}", f"layers {built.layers}, {built.size / 1024**2:.1f} MiB uncompressed"]
    facts.append(f"user {str(config.get('User') or 'root')[:100]}")
    for name, words in (("Entrypoint", "entrypoint"), ("Cmd", "command")):
        if isinstance(config.get(name), list):
            facts.append(f"{words} {' '.join(map(str, config[name]))[:400]}")
    for name, words in (("ExposedPorts", "ports"), ("Volumes", "volumes")):
        if isinstance(config.get(name), dict):
            facts.append(f"{words} {', '.join(map(str, list(config[name])[:ENTRIES]))[:400]}")
    variables = [str(one).partition("=")[0] for one in config.get("Env") or []]
    return [*facts, f"variables {', '.join(variables[:ENTRIES])[:400]}"] if variables else facts


GIVEN: dict[str, Any] = {
    "folder": {"type": "string", "maxLength": 400, "description": "What may be copied from; else the whole workspace."},
    "file": {**PATH, "description": "The Containerfile; else the one in the folder."},
    "target": {"type": "string", "minLength": 1, "maxLength": 100, "description": "A stage; else the last one."},
}
CONTAINER_TOOLS = (
    ContainerTool(
        "container_build",
        "Build an image from a Containerfile (Dockerfile) of the workspace, without network, on base images that this "
        "installation has. Tells the digest, size, user and ports of it, or the step that failed. The image is not kept.",
        GIVEN,
        (),
        ActionClass.RUN,
        container_build,
        Sensitivity.HIGH,
    ),
    ContainerTool(
        "container_run",
        "Build an image from a Containerfile of the workspace and run a command in it, or its own, without network. "
        "Neither the image nor what the command writes is kept.",
        {
            **GIVEN,
            "command": {
                "type": "string",
                "minLength": 1,
                "maxLength": 4000,
                "description": "For /bin/sh in the image.",
            },
            "seconds": {"type": "integer", "minimum": 1, "maximum": 60},
        },
        (),
        ActionClass.RUN,
        container_run,
        Sensitivity.HIGH,
    ),
)
