"""Tools that read and write files of the workspace."""

from __future__ import annotations

from typing import Any

from gpu_workers.confined import PathRefused, confined_files, confined_read, confined_remove, confined_write
from gpu_workers.tools.bounds import checked_path, checked_target, readable, shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, Sensitivity, ToolContext, ToolResult
from gpu_workers.tools.patch import PatchError, apply_unified
from guildhall.kernel.redaction import MARK, redact

MAX_READ = 1024 * 1024
MAX_WRITE = 1024 * 1024
MAX_HITS = 100
MAX_LISTED = 500
PATH = {"type": "string", "minLength": 1, "maxLength": 500, "description": "Path relative to the workspace."}


def _text_of(path: str, ctx: ToolContext) -> str:
    content = confined_read(ctx.workspace.tree, path, MAX_READ + 1)
    if len(content) > MAX_READ:
        raise PathRefused(f"{path!r} is larger than {MAX_READ} bytes.")
    if b"\0" in content:
        raise PathRefused(f"{path!r} is a binary file.")
    return content.decode("utf-8", "replace")


def read_file(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path = checked_path(arguments["path"], ctx)
    first, last = arguments.get("first_line", 1), arguments.get("last_line")
    # Redacted as a whole: some lines of a key would not be known for what they are.
    lines = redact(_text_of(path, ctx)).splitlines(keepends=True)
    part = "".join(lines[first - 1 : last])
    return ToolResult(True, shown(part, ctx), {"path": path, "lines": len(lines)})


def list_files(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    under = checked_path(arguments.get("under", "."), ctx)
    found = [path for path in confined_files(ctx.workspace.tree, under) if readable(path, ctx)]
    more = f"\n[… {len(found) - MAX_LISTED} more …]" if len(found) > MAX_LISTED else ""
    return ToolResult(True, shown("\n".join(found[:MAX_LISTED]) + more, ctx), {"count": len(found)})


def search_code(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    """Lines that contain a text. No regular expressions: one of the model's could run for ever."""
    wanted, under = arguments["text"], checked_path(arguments.get("under", "."), ctx)
    fold = not arguments.get("match_case", False)
    wanted = wanted.casefold() if fold else wanted
    hits: list[str] = []
    for path in confined_files(ctx.workspace.tree, under):
        if not readable(path, ctx):
            continue
        try:
            lines = redact(_text_of(path, ctx)).splitlines()
        except (PathRefused, FileNotFoundError):
            continue
        for number, line in enumerate(lines, 1):
            if wanted in (line.casefold() if fold else line):
                hits.append(f"{path}:{number}: {line.strip()[:300]}")
        if len(hits) >= MAX_HITS:
            break
    text = "\n".join(hits[:MAX_HITS]) or "Nothing found."
    return ToolResult(True, shown(text, ctx), {"count": len(hits[:MAX_HITS])})


def write_file(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path = checked_target(arguments["path"], ctx)
    content = arguments["content"].encode()
    _refuse_marks(path, arguments["content"], ctx)
    fresh = confined_write(ctx.workspace.tree, path, content, ctx.sandbox.owner)
    return ToolResult(True, f"{'Created' if fresh else 'Replaced'} {path}.", {"path": path, "bytes": len(content)})


def _refuse_marks(path: str, content: str, ctx: ToolContext) -> None:
    """A file that is written with the mark where a secret stood has lost it. Raises PathRefused."""
    try:
        before = _text_of(path, ctx).count(MARK)
    except FileNotFoundError:
        before = 0
    if content.count(MARK) > before:
        raise PathRefused(
            f"{MARK} stands for a secret that you cannot see. Change {path!r} around it with apply_patch, or have the "
            "program read it from its environment."
        )


def apply_patch(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    try:
        changed = apply_unified(arguments["patch"], lambda path: _text_of(checked_target(path, ctx), ctx))
    except PatchError as problem:
        return ToolResult(False, f"Nothing was changed. {problem}")
    paths = {path: checked_target(path, ctx) for path in changed}
    for path, content in changed.items():
        if content is not None:
            _refuse_marks(paths[path], content, ctx)
    for path, content in changed.items():
        if content is None:
            confined_remove(ctx.workspace.tree, paths[path])
        else:
            confined_write(ctx.workspace.tree, paths[path], content.encode(), ctx.sandbox.owner)
    return ToolResult(True, f"Changed {', '.join(sorted(paths.values()))}.", {"paths": sorted(paths.values())})


FILE_TOOLS = (
    FunctionTool(
        "read_file",
        "Read a text file of the workspace, or some of its lines.",
        {
            "path": PATH,
            "first_line": {"type": "integer", "minimum": 1},
            "last_line": {"type": "integer", "minimum": 1},
        },
        ("path",),
        ActionClass.READ,
        read_file,
    ),
    FunctionTool(
        "list_files",
        "List the files below a folder of the workspace.",
        {"under": PATH},
        (),
        ActionClass.READ,
        list_files,
    ),
    FunctionTool(
        "search_code",
        "Find the lines that contain a text (no regular expression), in all files or below a folder.",
        {
            "text": {"type": "string", "minLength": 1, "maxLength": 200},
            "under": PATH,
            "match_case": {"type": "boolean"},
        },
        ("text",),
        ActionClass.READ,
        search_code,
    ),
    FunctionTool(
        "write_file",
        "Create a text file or replace it whole.",
        {"path": PATH, "content": {"type": "string", "maxLength": MAX_WRITE}},
        ("path", "content"),
        ActionClass.WRITE_WORKSPACE,
        write_file,
        Sensitivity.MEDIUM,
    ),
    FunctionTool(
        "apply_patch",
        "Change files by a unified diff ('--- a/path', '+++ b/path', '@@ -start,count +start,count @@'). "
        "All of it applies exactly, or nothing is changed.",
        {"patch": {"type": "string", "minLength": 1, "maxLength": MAX_WRITE}},
        ("patch",),
        ActionClass.WRITE_WORKSPACE,
        apply_patch,
        Sensitivity.MEDIUM,
    ),
)
