"""The bounds of a call: files by glob, commands by pattern, output by size and without secrets."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from gpu_workers.confined import PathRefused, path_parts
from gpu_workers.redaction import redact
from gpu_workers.tools.contract import ToolContext, ToolRefused


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
    return clean


def checked_command(command: str, ctx: ToolContext) -> str:
    """The command. Raises ToolRefused for one that a denied pattern matches."""
    if ctx.network:
        raise ToolRefused("network", "Commands with network access are not available in this sandbox.")
    for pattern in ctx.denied_commands:
        if re.search(pattern, command, re.DOTALL):
            raise ToolRefused("command", f"The command is denied by the rule {pattern!r}.")
    return command


def shown(text: str, ctx: ToolContext) -> str:
    """`text` as the model and the record see it: redacted, and cut in the middle where it is too long."""
    clean = redact(text)
    if len(clean) <= ctx.output_chars:
        return clean
    half = ctx.output_chars // 2
    return f"{clean[:half]}\n[… {len(clean) - 2 * half} characters left out …]\n{clean[-half:]}"


def redacting(on_output: Callable[[bytes], None] | None) -> tuple[Callable[[bytes], None] | None, Callable[[], None]]:
    """A listener that hands on whole lines, redacted, and a function that hands on what is left at the end.

    A private key spans lines: from its first line on nothing is handed on until its last.
    """
    if on_output is None:
        return None, lambda: None
    waiting = bytearray()
    inside_key = False

    def hand_on(block: bytes) -> None:
        nonlocal inside_key
        lines = []
        for line in block.decode("utf-8", "replace").splitlines(keepends=True):
            begins = "-----BEGIN" in line and "PRIVATE KEY" in line
            if begins:
                lines.append("[redacted]\n")
            elif not inside_key:
                lines.append(redact(line))
            inside_key = (inside_key or begins) and not ("-----END" in line and "PRIVATE KEY" in line)
        if lines:
            on_output("".join(lines).encode())

    def listen(chunk: bytes) -> None:
        waiting.extend(chunk)
        end = waiting.rfind(b"\n") + 1 if len(waiting) < 65_536 else len(waiting)
        if end:
            block = bytes(waiting[:end])
            del waiting[:end]
            hand_on(block)

    def finish() -> None:
        if waiting:
            hand_on(bytes(waiting))
            waiting.clear()

    return listen, finish
