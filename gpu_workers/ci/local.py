"""Running a project's CI command on one commit."""

from __future__ import annotations

import os
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gpu_workers.ci.junit import MAX_BYTES, ReportError, TestCaseResult, parse_junit
from gpu_workers.confined import PathRefused, confined_read
from gpu_workers.redacting import redacting
from gpu_workers.repos.git import GitError
from gpu_workers.repos.reading import checkout_tree
from gpu_workers.sandbox import KilledBy, Sandbox, SandboxCommand, SandboxLimits, SandboxResult
from gpu_workers.sandbox.workspace import remove_tree
from gpu_workers.troubles import OF_THE_MACHINE
from guildhall.kernel.redaction import redact

REPORT = "ci-report.xml"


class CIStatus(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class CIOutcome:
    """How CI judged one commit.

    `failed` is the command's own verdict; `error` means that there is none (the commit could not be checked out, the
    command was ended by a limit or a cancel, or there is no such command). Counts are by test status.
    """

    status: CIStatus
    sha: str
    exit_code: int | None
    log: str
    tests: tuple[TestCaseResult, ...]
    counts: dict[str, int]
    duration_s: float

    @property
    def passed(self) -> bool:
        return self.status is CIStatus.PASSED


def run_ci(
    repo: Path,
    sha: str,
    command: str,
    sandbox: Sandbox,
    scratch: Path,
    on_output: Callable[[bytes], None] | None = None,
    *,
    limits: SandboxLimits | None = None,
    report: str = REPORT,
    cancel: threading.Event | None = None,
) -> CIOutcome:
    """Check out `sha` of `repo` below `scratch`, run `command` on it in the sandbox, read its JUnit report, clean up.

    Nothing of the agent's workspace is used. Raises SandboxUnavailable where commands cannot run, and GitError where the
    machine is in trouble: that is no verdict on the commit.
    """
    folder = sandbox.prepare_workspace(scratch / f"ci-{sha[:12]}-{uuid.uuid4().hex[:8]}")
    try:
        try:
            checkout_tree(repo, sha, folder)
        except GitError as problem:
            if _of_the_machine(problem):
                raise
            return _without_verdict(sha, f"The commit could not be checked out: {problem.said}")
        sandbox.prepare_workspace(folder)
        _forget_report(folder, report)
        job = SandboxCommand(command, folder, env={"CI": "true"}, limits=limits or SandboxLimits())
        listen, finish = redacting(on_output)
        result = sandbox.run(job, listen, cancel)
        finish()
        tests, unread = _report(folder, report)
        return _outcome(sha, result, job.limits, tests, unread)
    finally:
        with suppress(OSError):
            remove_tree(folder)


def _of_the_machine(problem: GitError) -> bool:
    """Whether a full disk, for one, or the end of git kept the commit from being checked out, and not what the commit holds."""
    cause = problem.__cause__
    return problem.status < 0 or (isinstance(cause, OSError) and cause.errno in OF_THE_MACHINE)


def _forget_report(folder: Path, report: str) -> None:
    """A report that the commit itself brings says nothing about this run."""
    place = folder / report
    if place.is_file() or place.is_symlink():
        os.unlink(place)


def _report(folder: Path, report: str) -> tuple[tuple[TestCaseResult, ...], str]:
    try:
        return tuple(parse_junit(confined_read(folder, report, MAX_BYTES + 1))), ""
    except FileNotFoundError:
        return (), ""
    except (ReportError, PathRefused, OSError) as problem:
        return (), f"\n[{report} was not read: {problem}]\n"


def _outcome(
    sha: str, result: SandboxResult, limits: SandboxLimits, tests: tuple[TestCaseResult, ...], problem: str
) -> CIOutcome:
    if result.timed_out:
        status = CIStatus.TIMEOUT
    elif result.killed_by is not None or result.exit_code in (126, 127):
        status = CIStatus.ERROR
    else:
        status = CIStatus.PASSED if result.exit_code == 0 else CIStatus.FAILED
    ended = f"\n[{limits.ended_by(result.killed_by)}]\n" if result.killed_by not in (None, KilledBy.CANCEL) else ""
    return CIOutcome(
        status=status,
        sha=sha,
        exit_code=result.exit_code,
        log=redact(result.output + ended + problem),
        tests=tests,
        counts=dict(Counter(test.status.value for test in tests)),
        duration_s=result.duration_s,
    )


def _without_verdict(sha: str, log: str) -> CIOutcome:
    return CIOutcome(CIStatus.ERROR, sha, None, log, (), {}, 0.0)
