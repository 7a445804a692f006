"""Calling the git program with an environment that reads no configuration but ours."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast

from gpu_workers.repos.collecting import PIECE, TooMuchSaid, collected, lent
from gpu_workers.repos.stopping import refuse_stopped

TIMEOUT_S = 120
MEMORY = 2 * 1024 * 1024 * 1024
"""Bytes that each git process may allocate: an object or a pack of a few kilobytes can ask for any number of them.

Of data, not of address space: packs are mapped, not allocated, and may be larger. Packs of many millions of objects need more.
"""
MAX_OUTPUT = 256 * 1024 * 1024
"""Bytes of git's answer that are taken where nobody says another number: twice what the paths of two trees can come to."""
UNLIMITED = frozenset(
    ("commit-tree", "config", "for-each-ref", "hash-object", "init", "symbolic-ref", "update-index", "update-ref")
)
"""Read no trees and no packs, and hold what we hand them: they are short and many, and setting a limit takes another program."""
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,200}")
OWN = "guildhall"
"""Branches of this name and below it are those that runs, hand-ins and reverts work on."""

HARMLESS = (
    "badTimezone",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
)
"""Flaws that old programs left in the history of well-known repositories, and that change nothing of what git reads there."""

NO_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree without files, which git knows by itself. Some of its versions take attributes from a bare repository's HEAD."""
CONFIGURATION = {
    **{f"fetch.fsck.{flaw}": "ignore" for flaw in HARMLESS},
    "advice.detachedHead": "false",
    "attr.tree": NO_TREE,
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
    "transfer.fsckObjects": "true",
    "uploadpack.allowAnySHA1InWant": "true",
}
FLAW = re.compile(r"^(?:error|fatal): object ([0-9a-f]{40,64}): ([A-Za-z0-9]+): ", re.MULTILINE)


class GitError(RuntimeError):
    """git refused; `status` is its exit status and the message its own words."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def own(self) -> bool:
        """Whether it is our own sentence on what was to be done, and not what git or the system ran into."""
        return self.status == 0 and self.__cause__ is None

    @property
    def said(self) -> str:
        """What went wrong, for people. What git and the system say names folders of this machine."""
        return str(self) if self.own else "git cannot do that in this repository; the log of the installation says why."


class UnfitBranch(GitError):
    """A branch that changes cannot or must not be merged into in this repository; another try comes to the same."""


class OutputTooLong(GitError):
    """git had more to say than is taken; it was ended."""


class TooMuchWork(GitError):
    """git took all of the processor's time that it was given for this; another try comes to the same."""


class FlawedHistory(GitError):
    """What was to be fetched holds an object that git's own rules forbid; nothing of it was kept."""

    def __init__(self, object_id: str, flaw: str) -> None:
        super().__init__(
            f"Its history holds a malformed object, {object_id[:12]} ({flaw}), and was not taken. `git fsck` names all "
            "such objects; they go when the history is written anew without them."
        )
        self.flaw = flaw


@cache
def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise GitError(f"{name} is not installed.")
    return found


def _command(git_dir: Path, arguments: Sequence[str], cpu_s: int = 0) -> list[str]:
    """git's command line. Its limits go on to whatever it starts: a server beside it, the reader of a pack.

    It is told by a signal that its seconds are over, which leaves no file behind; a second later it is killed.
    """
    words = [_program("git"), f"--git-dir={git_dir}", *arguments]
    if arguments[0] in UNLIMITED:
        return words
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    room = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    time = [f"--cpu={cpu_s}:{cpu_s + 1}", "--core=0"] if cpu_s else []
    return [_program("prlimit"), f"--data={room}", *time, "--", *words]


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
    most: int = MAX_OUTPUT,
    cpu_s: int = 0,
) -> bytes:
    """Standard output of git on `git_dir`, at most `most` bytes.

    Raises OutputTooLong where there are more, TooMuchWork after `cpu_s` seconds of the processor (0: no limit), GitStopped
    in a `stopping_with` that is to end, and GitError for an exit status that is not `allowed`.
    """
    source = lent(data)
    try:
        running = subprocess.Popen(
            _command(git_dir, arguments, cpu_s),
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(env or {}),
            cwd=cwd or "/",
        )
    finally:
        os.close(source)
    with running:
        try:
            output, said = collected(running, most, TIMEOUT_S, stops=arguments[0] not in UNLIMITED)
            running.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired as problem:
            raise GitError(f"git {arguments[0]} did not end within {TIMEOUT_S} seconds.") from problem
        except TooMuchSaid as more:
            raise OutputTooLong(f"git {arguments[0]} has more than {most} bytes to say.") from more
        finally:
            running.kill()
    if cpu_s and running.returncode == -signal.SIGXCPU:
        raise TooMuchWork(f"git {arguments[0]} took more than {cpu_s} seconds of the processor.")
    if running.returncode not in allowed:
        words = said.decode("utf-8", "replace").strip()
        if arguments[0] == "fetch" and (flaw := FLAW.search(words)):
            raise FlawedHistory(flaw[1], flaw[2])
        raise GitError(f"git {arguments[0]}: {words or f'exit status {running.returncode}'}", running.returncode)
    return output


@contextmanager
def reading(git_dir: Path, *arguments: str, data: bytes | None = None) -> Iterator[BinaryIO]:
    """Standard output of git on `git_dir`, to be read to its end as it comes. Raises GitError when git does not end well."""
    source = lent(data)
    try:
        running = subprocess.Popen(
            _command(git_dir, arguments),
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment({}),
            cwd="/",
        )
    finally:
        os.close(source)
    with running:
        try:
            yield cast("BinaryIO", running.stdout)
        except BaseException:
            running.kill()
            raise
    if running.returncode != 0:
        raise GitError(f"git {arguments[0]}: exit status {running.returncode}", running.returncode)


def stream(git_dir: Path, *arguments: str) -> Generator[bytes]:
    """Standard output of git on `git_dir` piece by piece, however long.

    Raises GitError when it does not end well, and GitStopped between two pieces.
    """
    with reading(git_dir, *arguments) as output:
        while piece := output.read(PIECE):
            refuse_stopped()
            yield piece


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


def checked_default(branch: str) -> str:
    """The branch name, which changes may be merged into.

    Raises UnfitBranch for git's own names, and for those of work that nobody has approved.
    """
    first = branch.partition("/")[0].lower()
    if first == OWN:
        raise UnfitBranch(f"{branch} is the platform’s own: work that nobody has approved stands below {OWN}/.")
    if first in ("head", "refs"):
        raise UnfitBranch(f"{branch} is git’s own name, not a branch’s.")
    return checked_branch(branch)


def is_ancestor(git_dir: Path, old: str, new: str) -> bool:
    try:
        git(git_dir, "merge-base", "--is-ancestor", checked_sha(old), checked_sha(new))
    except GitError as problem:
        if problem.status == 1:
            return False
        raise
    return True
