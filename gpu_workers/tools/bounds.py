"""The bounds of a call: files by glob, commands by pattern, output by size and without secrets."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from governance.policies.patterns import search
from gpu_workers.confined import PathRefused, path_parts
from gpu_workers.tools.contract import ToolContext, ToolRefused
from guildhall.kernel.redaction import redact


def _matches(path: str, glob: str) -> bool:
    return fnmatchcase(path, glob) or (glob.startswith("**/") and fnmatchcase(path, glob.removeprefix("**/")))


def permitted(path: str, ctx: ToolContext) -> bool:
    """Whether the file globs let this path be seen and changed."""
    if any(_matches(path.lower(), glob) for glob in ctx.denied_files):
        return False
    return not ctx.allowed_files or any(_matches(path, glob) for glob in ctx.allowed_files)


def checked_path(path: str, ctx: ToolContext) -> str:
    """The path, normalised. Raises ToolRefused for one that leaves the workspace or that the globs deny."""
    try:
        parts = path_parts(path)
    except PathRefused as problem:
        raise ToolRefused("path", str(problem)) from problem
    clean = "/".join(parts)
    if parts and not permitted(clean, ctx):
        raise ToolRefused("path", f"{clean!r} is on the list of files that agents may not touch.")
    for name, pattern in ctx.path_rules:
        if search(pattern, clean):
            raise ToolRefused("pattern", f"{clean!r} breaks the rule {name!r}.", name)
    return clean


def checked_command(command: str, ctx: ToolContext) -> str:
    """The command. Raises ToolRefused for one that a denied pattern matches, as written or as a shell reads it."""
    if ctx.network:
        raise ToolRefused("network", "Commands with network access are not available in this sandbox.")
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
    """`text` as the model and the record see it: redacted, masked, and cut in the middle where it is too long."""
    clean = ctx.mask(redact(text))
    if len(clean) <= ctx.output_chars:
        return clean
    half = ctx.output_chars // 2
    return f"{clean[:half]}\n[… {len(clean) - 2 * half} characters left out …]\n{clean[-half:]}"
