"""Asking a language server inside the sandbox: one question, one process group, gone when it is answered."""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from gpu_workers.sandbox import Sandbox, SandboxCommand, SandboxLimits, SandboxSettings, SandboxUnavailable
from gpu_workers.sandbox.host import drops_user, reachable
from gpu_workers.sandbox.inside import PROGRAMS

What = Literal["definition", "references", "rename", "diagnostics"]
LIMITS = SandboxLimits(cpu_s=60, wall_s=60.0, output=4 * 1024 * 1024)
SERVERS: Mapping[str, tuple[str, ...]] = {"python": ("ty", "server")}
"""The language server of each language: the program's name and its arguments."""
ENDINGS: Mapping[str, str] = {".py": "python", ".pyi": "python"}


class LanguageError(RuntimeError):
    """The server gave no answer; the message says why, in words for the model."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask about a place: `line` and `column` are zero-based, the column in UTF-16 units."""

    what: What
    path: str
    line: int = 0
    column: int = 0
    new_name: str = ""


def language_of(path: str) -> str | None:
    """The language that a file is written in, of those that there is a server for."""
    return ENDINGS.get(Path(path).suffix)


def ask(sandbox: Sandbox, tree: Path, question: Question, cancel: threading.Event | None = None) -> Any:
    """The server's result as the protocol has it: data that the workspace shaped, to be judged before it is used.

    Raises LanguageError, and SandboxUnavailable where nothing can be isolated.
    """
    language = language_of(question.path)
    if language is None:
        raise LanguageError(f"There is no language server for {question.path!r}; there is one for Python.")
    program, *arguments = SERVERS[language]
    told = {
        "server": [f"{PROGRAMS}/{program}", *arguments],
        "language": language,
        "what": question.what,
        "path": question.path,
        "line": question.line,
        "column": question.column,
        "new_name": question.new_name,
    }
    command = SandboxCommand(
        ["python3", "-I", "-c", _client(), json.dumps(told)],
        tree,
        limits=LIMITS,
        programs={program: find_program(program, sandbox.settings)},
    )
    ended = sandbox.run(command, None, cancel)
    if not ended.ok or ended.truncated:
        raise LanguageError(f"The language server gave no answer: {LIMITS.spoiled(ended) or 'it broke'}.")
    try:
        said = json.loads(ended.output)
        if "error" in said:
            raise LanguageError(f"The language server says: {str(said['error'])[:300]}")
        return said["result"]
    except (ValueError, KeyError, TypeError) as garbled:
        raise LanguageError("The language server's answer cannot be read.") from garbled


@cache
def _client() -> str:
    return (files("gpu_workers.languages") / "client.py").read_text(encoding="utf-8")


@cache
def find_program(name: str, settings: SandboxSettings) -> Path:
    """A language server where the sandboxed user can reach it. Raises SandboxUnavailable, naming the fix."""
    found = Path(sysconfig.get_path("scripts")) / name
    if not found.is_file():
        raise SandboxUnavailable(f"The language server {name} is not installed; install the package {name}.")
    if not drops_user(settings) or reachable(found, settings.uid, settings.gid):
        return found
    if settings.runtime is None:
        raise SandboxUnavailable(f"User {settings.uid} cannot reach the language server at {found}.")
    return copied(found, settings.runtime)


def copied(program: Path, runtime: Path) -> Path:
    """The program where the sandboxed user can execute it, copied once for each version of it."""
    runtime.mkdir(parents=True, exist_ok=True, mode=0o755)
    target = runtime / f"{program.name}-{program.stat().st_mtime_ns:x}"
    if not target.is_file():
        fresh = runtime / f".{target.name}-{os.getpid()}-{threading.get_ident()}"
        shutil.copyfile(program, fresh)
        fresh.chmod(0o755)
        fresh.rename(target)
    return target
