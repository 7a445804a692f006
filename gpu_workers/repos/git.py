"""Calling the git program with an environment that reads no configuration but ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

TIMEOUT_S = 120
PIECE = 1024 * 1024
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,200}")

CONFIGURATION = {
    "advice.detachedHead": "false",
    "commit.gpgSign": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "core.quotePath": "false",
    "diff.ignoreSubmodules": "all",
    "diff.renameLimit": "1000",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "init.defaultBranch": "main",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "safe.directory": "*",
    "submodule.recurse": "false",
    "tag.gpgSign": "false",
    "uploadpack.allowAnySHA1InWant": "true",
}


class GitError(RuntimeError):
    """git refused; `status` is its exit status and the message its own words."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@cache
def _git() -> str:
    found = shutil.which("git")
    if found is None:
        raise GitError("git is not installed.")
    return found


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "false",
        "GIT_SSH_COMMAND": "false",
        "GIT_CONFIG_COUNT": str(len(CONFIGURATION)),
    }
    for number, (key, value) in enumerate(CONFIGURATION.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return {**environment, **extra}


def git(
    git_dir: Path,
    *arguments: str,
    data: bytes | None = None,
    env: Mapping[str, str] | None = None,
    allowed: Sequence[int] = (0,),
    cwd: Path | None = None,
) -> bytes:
    """Standard output of git on `git_dir`. Raises GitError for an exit status that is not `allowed`."""
    try:
        done = subprocess.run(
            [_git(), f"--git-dir={git_dir}", *arguments],
            input=b"" if data is None else data,
            capture_output=True,
            env=_environment(env or {}),
            cwd=cwd or "/",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise GitError(f"git {arguments[0]} did not end within {TIMEOUT_S} seconds.") from problem
    if done.returncode not in allowed:
        words = done.stderr.decode("utf-8", "replace").strip()
        raise GitError(f"git {arguments[0]}: {words or f'exit status {done.returncode}'}", done.returncode)
    return done.stdout


def stream(git_dir: Path, *arguments: str) -> Iterator[bytes]:
    """Standard output of git on `git_dir` piece by piece, however long. Raises GitError when it does not end well."""
    command = [_git(), f"--git-dir={git_dir}", *arguments]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment({}),
        cwd="/",
    ) as running:
        if running.stdout is None:
            raise GitError(f"git {arguments[0]} has no output.")
        while piece := running.stdout.read(PIECE):
            yield piece
    if running.returncode != 0:
        raise GitError(f"git {arguments[0]}: exit status {running.returncode}", running.returncode)


def text(output: bytes) -> str:
    """One line of git's output."""
    return output.decode("utf-8", "replace").strip()


def checked_sha(sha: str) -> str:
    """The sha, which is then certainly no option and no expression. Raises GitError otherwise."""
    if not SHA.fullmatch(sha):
        raise GitError(f"{sha!r} is not a full commit id.")
    return sha


def checked_branch(branch: str) -> str:
    """The branch name, plain ASCII without git's own notations. Raises GitError otherwise."""
    if not BRANCH.fullmatch(branch) or ".." in branch or "//" in branch or branch.endswith((".lock", "/", ".")):
        raise GitError(f"{branch!r} is not a branch name.")
    if any(part.startswith(".") for part in branch.split("/")):
        raise GitError(f"{branch!r} is not a branch name.")
    return branch


def is_ancestor(git_dir: Path, old: str, new: str) -> bool:
    try:
        git(git_dir, "merge-base", "--is-ancestor", checked_sha(old), checked_sha(new))
    except GitError as problem:
        if problem.status == 1:
            return False
        raise
    return True
