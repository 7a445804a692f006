"""The bounds of a call: files by glob, commands by pattern, output by size and without secrets."""

from __future__ import annotations

import re

from governance.policies.document_sections import Files
from governance.policies.patterns import search
from gpu_workers.confined import PathRefused, path_parts
from gpu_workers.tools.contract import ToolContext, ToolRefused
from guildhall.kernel.redaction import redact
from guildhall.kernel.texts import storable

Rules = tuple[tuple[str, str], ...]
"""Patterns by name."""


def checked_path(path: str, ctx: ToolContext) -> str:
    """A path to read, normalised. Raises ToolRefused for one that leaves the workspace or that the policy denies."""
    clean = _inside(path)
    if clean and not ctx.files.may_see(clean):
        raise _untouchable(clean)
    if refusal := _broken(clean, ctx.path_rules):
        raise refusal
    return clean


def readable(path: str, ctx: ToolContext) -> bool:
    """Whether a path that stands in the workspace may be read and named: what `checked_path` refuses no other tool tells."""
    return ctx.files.may_see(path) and _broken(path, ctx.path_rules) is None


def checked_target(path: str, ctx: ToolContext) -> str:
    """A path to write, move or delete, normalised. Raises ToolRefused as well for one that the policy does not allow."""
    clean = _inside(path)
    if refusal := barred(clean, ctx.files, ctx.path_rules):
        raise refusal
    return clean


def barred(path: str, files: Files, rules: Rules) -> ToolRefused | None:
    """Why a change may not touch `path`, which git names; None where it may."""
    return _broken(path, rules) if files.may_touch(path) else _untouchable(path)


def _inside(path: str) -> str:
    try:
        return "/".join(path_parts(path))
    except PathRefused as problem:
        raise ToolRefused("path", str(problem)) from problem


def _untouchable(path: str) -> ToolRefused:
    return ToolRefused("path", f"{path!r} is not among the files that agents may touch.")


def _broken(path: str, rules: Rules) -> ToolRefused | None:
    name = next((name for name, pattern in rules if search(pattern, path)), None)
    return None if name is None else ToolRefused("pattern", f"{path!r} breaks the rule {name!r}.", name)


def checked_command(command: str, ctx: ToolContext) -> str:
    """The command. Raises ToolRefused for one that a denied pattern matches, as written or as a shell reads it."""
    spellings = (command, _as_shells_read(command))
    for pattern in ctx.denied_commands:
        if any(search(pattern, spelling, across_lines=True) for spelling in spellings):
            raise ToolRefused("command", f"The command is denied by the rule {pattern!r}.", pattern)
    for name, pattern in ctx.command_rules:
        if any(search(pattern, spelling, across_lines=True) for spelling in spellings):
            raise ToolRefused("pattern", f"The command breaks the rule {name!r}.", name)
    return command


def _as_shells_read(command: str) -> str:
    """Without what a shell drops: quotes, backslashes and joined lines inside of words; `$IFS` is a blank."""
    joined = re.sub(r"\\\n", "", command)
    spaced = re.sub(r"\$\{?IFS\}?(?:\$\d)?", " ", joined)
    return re.sub(r"""(?:\\(?=\S)|["'])""", "", spaced)


def shown(text: str, ctx: ToolContext) -> str:
    """`text` as the model and the record see it: such as can be kept, redacted, masked, and cut in the middle where too long."""
    clean = ctx.mask(redact(storable(text)))
    if len(clean) <= ctx.output_chars:
        return clean
    half = ctx.output_chars // 2
    return f"{clean[:half]}\n[… {len(clean) - 2 * half} characters left out …]\n{clean[-half:]}"
