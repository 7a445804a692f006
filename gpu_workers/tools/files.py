"""Tools that read and write files of the workspace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpu_workers.confined import (
    LONGEST_PATH,
    PathRefused,
    confined_change,
    confined_files,
    confined_read,
    confined_write,
)
from gpu_workers.tools.bounds import checked_path, checked_target, readable, shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, Sensitivity, ToolContext, ToolResult
from gpu_workers.tools.lines import bytes_of, lines_of, readable_text, text_of
from gpu_workers.tools.patch import PatchError, apply_unified
from guildhall.kernel.redaction import MARK, redact

MAX_READ = 1024 * 1024
MAX_WRITE = 1024 * 1024
MAX_PATCHED = 64 * 1024 * 1024
MAX_SEARCHED = 256 * 1024 * 1024
MAX_SHOWN = 16 * 1024 * 1024
"""Bytes of files that have the text that is searched for: all of such a file is looked through for secrets."""
MAX_HITS = 100
MAX_LISTED = 500
TOO_MUCH = "name a folder with 'under', or a rarer text"
LOST = "\ufffd"
PATH = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_PATH,
    "description": "Path relative to the workspace.",
}


def _text_of(path: str, ctx: ToolContext) -> str:
    """A file as `lines.text_of` has it: to be changed and written back, not to be shown."""
    content = confined_read(ctx.workspace.tree, path, MAX_READ + 1)
    if len(content) > MAX_READ:
        raise PathRefused(f"{path!r} is larger than {MAX_READ} bytes.")
    if b"\0" in content:
        raise PathRefused(f"{path!r} is a binary file.")
    return text_of(content)


def read_file(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path = checked_path(arguments["path"], ctx)
    first, last = arguments.get("first_line", 1), arguments.get("last_line")
    # Redacted as a whole: some lines of a key would not be known for what they are.
    lines = lines_of(redact(readable_text(_text_of(path, ctx))))
    part = "".join(lines[first - 1 : last])
    return ToolResult(True, shown(part, ctx), {"path": path, "lines": len(lines)})


def list_files(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    under = checked_path(arguments.get("under", "."), ctx)
    found = [path for path in confined_files(ctx.workspace.tree, under) if readable(path, ctx)]
    more = f"\n[… {len(found) - MAX_LISTED} more …]" if len(found) > MAX_LISTED else ""
    return ToolResult(True, shown("\n".join(found[:MAX_LISTED]) + more, ctx), {"count": len(found)})


def search_code(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    """Lines that contain a text. No regular expressions: one of the model's could run for ever."""
    under = checked_path(arguments.get("under", "."), ctx)
    fold = str if arguments.get("match_case", False) else str.casefold
    wanted = fold(arguments["text"])
    hits: list[str] = []
    left, left_shown = MAX_SEARCHED, MAX_SHOWN
    for path in confined_files(ctx.workspace.tree, under):
        if len(hits) >= MAX_HITS or min(left, left_shown) < 0 or (ctx.cancel is not None and ctx.cancel.is_set()):
            break
        if not readable(path, ctx):
            continue
        try:
            text = readable_text(_text_of(path, ctx))
        except (PathRefused, FileNotFoundError):
            continue
        size = len(bytes_of(text))
        left -= size
        if wanted in fold(text):
            left_shown -= size
            hits += _hits(path, text, lambda line: wanted in fold(line))
    found = "\n".join(hits[:MAX_HITS]) or "Nothing found."
    more = f"\n[… Not every file was looked into: {TOO_MUCH} …]" if min(left, left_shown) < 0 else ""
    return ToolResult(True, shown(found + more, ctx), {"count": len(hits[:MAX_HITS])})


def _hits(path: str, text: str, fits: Callable[[str], bool]) -> list[str]:
    """Lines of a file, redacted as a whole before any is looked at: what is hidden is not found either."""
    lines = enumerate(redact(text).split("\n"), 1)
    return [f"{path}:{number}: {line.strip()[:300]}" for number, line in lines if fits(line)]


def write_file(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path = checked_target(arguments["path"], ctx)
    content = arguments["content"].encode()
    _refuse_marks(path, arguments["content"], ctx)
    fresh = confined_write(ctx.workspace.tree, path, content, ctx.sandbox.owner)
    return ToolResult(True, f"{'Created' if fresh else 'Replaced'} {path}.", {"path": path, "bytes": len(content)})


def _refuse_marks(path: str, content: str, ctx: ToolContext) -> None:
    """A file that is written with a mark where a secret, or what is no UTF-8, stood has lost it. Raises PathRefused."""
    try:
        before = _text_of(path, ctx)
    except FileNotFoundError:
        before = ""
    if content.count(MARK) > before.count(MARK):
        raise PathRefused(
            f"{MARK} stands for a secret that you cannot see. Change {path!r} around it with apply_patch, or have the "
            "program read it from its environment."
        )
    if content.count(LOST) > before.count(LOST) and readable_text(before) != before:
        raise PathRefused(
            f"{LOST} stands for bytes of {path!r} that are no UTF-8. Change the lines around them with apply_patch, or "
            "the file with a command."
        )


def apply_patch(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    """All files are judged before the first is written, and put back where a later one cannot be."""
    room = MAX_PATCHED

    def read(path: str) -> str:
        nonlocal room
        if ctx.cancel is not None and ctx.cancel.is_set():
            raise PatchError("The run was stopped.")
        text = _text_of(checked_target(path, ctx), ctx)
        room -= len(bytes_of(text))
        if room < 0:
            raise PatchError(f"Its files have more than {MAX_PATCHED} bytes together; change fewer at once.")
        return text

    try:
        changed = apply_unified(arguments["patch"], read)
        changes: dict[str, bytes | None] = {}
        for named, text in changed.items():
            path = checked_target(named, ctx)
            if path in changes:
                raise PatchError(f"{path} appears more than once.")
            if text is not None:
                _refuse_marks(path, text, ctx)
            changes[path] = None if text is None else bytes_of(text)
        confined_change(ctx.workspace.tree, changes, ctx.sandbox.owner)
    except (PatchError, PathRefused) as problem:
        return ToolResult(False, shown(f"Nothing was changed. {problem}", ctx))
    return ToolResult(True, f"Changed {', '.join(sorted(changes))}.", {"paths": sorted(changes)})


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
