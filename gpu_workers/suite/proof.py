"""Whether a task's test passes: its command in the sandbox, on the task's own copy of the files that judge it."""

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from gpu_workers.confined import confined_write
from gpu_workers.repos import head_of
from gpu_workers.repos.reading import checkout_tree
from gpu_workers.sandbox import Sandbox, SandboxCommand, SandboxResult
from gpu_workers.suite.form import BadSuite, SuiteTask
from gpu_workers.suite.judging import judges, reporting, unnamed


def check_failing(tasks: list[SuiteTask], sandbox: Sandbox, scratch: Path) -> None:
    """Raise `BadSuite` where a test passes before anything is repaired, or cannot be run at all."""
    problems = []
    for task in tasks:
        folder = sandbox.prepare_workspace(scratch / f"suite-{uuid.uuid4().hex[:8]}")
        try:
            _write(folder, task.files)
            found = _tested(task, folder, sandbox)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if found.ok:
            problems.append(f"{task.name}/task.toml: test: {task.asked.test!r} passes before anything is repaired.")
        elif found.killed_by or found.exit_code in (126, 127):
            problems.append(
                f"{task.name}/task.toml: test: {task.asked.test!r} cannot be run: {found.output[-300:].strip()}"
            )
    if problems:
        raise BadSuite(problems)


def proves(task: SuiteTask, repo: Path, sandbox: Sandbox, scratch: Path) -> bool:
    """Whether the head of `repo` passes the test as the task gave it, whatever became of the test's files there.

    An exit status is not enough: the runner's own report has to name each of the task's tests as passed.
    """
    folder = sandbox.prepare_workspace(scratch / f"suite-{uuid.uuid4().hex[:8]}")
    try:
        checkout_tree(repo, head_of(repo, "main"), folder)
        _restore(folder, task)
        found = _tested(task, folder, sandbox)
        return found.ok and not unnamed(task, found.output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _restore(folder: Path, task: SuiteTask) -> None:
    """Every file that judges is the task's own, and what it has none of goes; links are not followed."""
    for place, folders, files in os.walk(folder, followlinks=False):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for one in (Path(place) / name for name in (*files, *links)):
            if judges(one.relative_to(folder).as_posix(), task):
                one.unlink()
    _write(folder, {path: content for path, content in task.files.items() if judges(path, task)})


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """What was merged is not trusted: from the top down, whatever stands in the way of a file goes, and no link is followed."""
    for name, content in files.items():
        place = folder
        for part in Path(name).parts[:-1]:
            place = place / part
            if place.is_symlink() or not place.is_dir():
                place.unlink(missing_ok=True)
        place = folder / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        elif place.is_symlink():
            place.unlink()
        confined_write(folder, name, content)


def _tested(task: SuiteTask, folder: Path, sandbox: Sandbox) -> SandboxResult:
    sandbox.prepare_workspace(folder)
    return sandbox.run(SandboxCommand(reporting(task.asked.test), folder, env={"CI": "true"}))
