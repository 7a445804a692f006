"""Tools that ask a language server about the workspace. Renaming changes files within the same bounds as writing them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gpu_workers.confined import PathRefused, confined_change, confined_files, confined_read
from gpu_workers.languages import EditError, LanguageError, Question, ask, edited, language_of, places
from gpu_workers.languages.edits import edits_by_path, utf16_column
from gpu_workers.tools.bounds import checked_path, checked_target, readable, shown
from gpu_workers.tools.contract import (
    ActionClass,
    FunctionTool,
    Schema,
    Sensitivity,
    ToolContext,
    ToolRefused,
    ToolResult,
)
from gpu_workers.tools.files import MAX_READ, MAX_WRITE, PATH
from gpu_workers.tools.lines import lines_of
from guildhall.kernel.redaction import redact

MAX_PLACES = 100
LINE = {"type": "integer", "minimum": 1}
NAME = {"type": "string", "minLength": 1, "maxLength": 100}
WHERE = {"path": PATH, "line": LINE, "name": {**NAME, "description": "The name as it stands in that line."}}


@dataclass(frozen=True, slots=True)
class LanguageTool(FunctionTool):
    """A tool that makes sense only where there are files that a language server understands."""

    def offered(self, ctx: ToolContext) -> bool:
        return any(language_of(path) for path in confined_files(ctx.workspace.tree))


def definition(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    return _placed(arguments, ctx, "definition", "It is defined nowhere in the workspace.")


def references(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    return _placed(arguments, ctx, "references", "Nothing in the workspace refers to it.")


def _placed(arguments: dict[str, Any], ctx: ToolContext, what: Any, nothing: str) -> ToolResult:
    question = _question(what, arguments, ctx)
    try:
        found = places(ask(ctx.sandbox, ctx.workspace.tree, question, ctx.cancel))
    except (LanguageError, EditError) as problem:
        return ToolResult(False, shown(str(problem), ctx))
    here = [place for place in found if place.path and readable(place.path, ctx)]
    lines = [f"{place.path}:{place.line}: {_line(place.path, place.line, ctx)}" for place in here[:MAX_PLACES]]
    if len(here) > MAX_PLACES:
        lines.append(f"[… {len(here) - MAX_PLACES} more …]")
    return ToolResult(True, shown("\n".join(lines) or nothing, ctx), {"count": len(here)})


def diagnostics(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path = checked_path(arguments["path"], ctx)
    _text(path, ctx)
    try:
        found = ask(ctx.sandbox, ctx.workspace.tree, Question("diagnostics", path), ctx.cancel)
        items = [
            f"{path}:{int(item['range']['start']['line']) + 1}: {str(item['message'])[:400]} [{item.get('code', '')}]"
            for item in found["items"]
        ]
    except LanguageError as problem:
        return ToolResult(False, shown(str(problem), ctx))
    except (KeyError, TypeError, ValueError):
        return ToolResult(False, "The language server's answer cannot be read.")
    text = "\n".join(items[:MAX_PLACES]) or "Nothing is wrong with this file."
    return ToolResult(True, shown(text, ctx), {"count": len(items)})


def rename(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    """All files are judged before the first is written: one that may not be changed refuses the whole."""
    if not arguments["new_name"].isidentifier():
        return ToolResult(False, f"{arguments['new_name']!r} cannot be a name.")
    question = _question("rename", arguments, ctx)
    try:
        _refuse_others(question, ctx)
        wanted = edits_by_path(ask(ctx.sandbox, ctx.workspace.tree, question, ctx.cancel))
        before = {_writable(path, ctx): path for path in wanted}
        texts = {path: _text(path, ctx) for path in before}
        after = {path: edited(texts[path], wanted[named]) for path, named in before.items()}
    except (LanguageError, EditError) as problem:
        return ToolResult(False, shown(f"Nothing was changed. {problem}", ctx))
    changed = {path: text for path, text in after.items() if text != texts[path]}
    if any(len(text.encode()) > MAX_WRITE for text in changed.values()):
        return ToolResult(False, "Nothing was changed: a file would become too large.")
    written = {path: text.encode() for path, text in changed.items()}
    confined_change(ctx.workspace.tree, written, ctx.sandbox.owner)
    patch = "".join(_diff(path, texts[path], text) for path, text in sorted(changed.items()))
    return ToolResult(bool(changed), shown(patch or "Nothing was changed.", ctx), {"paths": sorted(changed)})


def _refuse_others(question: Question, ctx: ToolContext) -> None:
    """A name of a library keeps its name: the server would change its uses here alone. Raises EditError."""
    where = places(ask(ctx.sandbox, ctx.workspace.tree, replace(question, what="definition"), ctx.cancel))
    if not where or not all(place.path for place in where):
        raise EditError("It is not defined in this workspace.")


def _writable(path: str, ctx: ToolContext) -> str:
    if not path:
        raise ToolRefused("path", "Renaming this would change files outside of the workspace.")
    return checked_target(path, ctx)


def _question(what: Any, arguments: dict[str, Any], ctx: ToolContext) -> Question:
    path = checked_path(arguments["path"], ctx)
    lines, number, name = _text(path, ctx).split("\n"), arguments["line"], arguments["name"]
    line = lines[number - 1] if number <= len(lines) else ""
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", line)
    if found is None:
        raise PathRefused(f"There is no {name!r} in line {number} of {path!r}.")
    return Question(what, path, number - 1, utf16_column(line, found.start()), arguments.get("new_name", ""))


def _text(path: str, ctx: ToolContext) -> str:
    """A file as it is, for what is written back: text of another encoding would come out changed."""
    content = confined_read(ctx.workspace.tree, path, MAX_READ + 1)
    if len(content) > MAX_READ:
        raise PathRefused(f"{path!r} is larger than {MAX_READ} bytes.")
    try:
        return content.decode()
    except UnicodeDecodeError as garbled:
        raise PathRefused(f"{path!r} is no UTF-8 text.") from garbled


def _line(path: str, number: int, ctx: ToolContext) -> str:
    """One line of a file that the server named, redacted with all that stands around it."""
    try:
        lines = redact(_text(checked_path(path, ctx), ctx)).split("\n")
    except (PathRefused, ToolRefused, FileNotFoundError):
        return ""
    return lines[number - 1].strip()[:300] if number <= len(lines) else ""


def _diff(path: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(lines_of(before), lines_of(after), f"a/{path}", f"b/{path}", n=1)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _tool(
    name: str,
    description: str,
    properties: Schema,
    call: Callable[[dict[str, Any], ToolContext], ToolResult],
    action_class: ActionClass = ActionClass.READ,
    sensitivity: Sensitivity = Sensitivity.LOW,
) -> LanguageTool:
    return LanguageTool(name, description, properties, tuple(properties), action_class, call, sensitivity)


LANGUAGE_TOOLS = (
    _tool("definition", "Find where a name of a Python file is defined in the workspace.", WHERE, definition),
    _tool("references", "Find every line of the workspace that uses a name of a Python file.", WHERE, references),
    _tool("diagnostics", "List what a type checker finds wrong with a Python file.", {"path": PATH}, diagnostics),
    _tool(
        "rename",
        "Rename a function, class, method or variable of a Python file wherever the workspace uses it. "
        "Shows the change that it made.",
        {**WHERE, "new_name": NAME},
        rename,
        ActionClass.WRITE_WORKSPACE,
        Sensitivity.MEDIUM,
    ),
)
