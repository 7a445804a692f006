"""The form of a repair task in a suite: `NAME/task.toml` and `NAME/repository/`, read whole or not at all."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpu_workers.repos import plain_name
from gpu_workers.suite.files import NoFile, read_file, read_tree
from guildhall.kernel.texts import TooDeep, unstorable

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")
Line = Annotated[str, Field(min_length=5, max_length=120)]


class TaskFile(BaseModel):
    """What `task.toml` says."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    title: Line
    statement: Annotated[str, Field(min_length=20, max_length=4000)]
    acceptance: Annotated[list[Annotated[str, Field(min_length=10, max_length=500)]], Field(min_length=1, max_length=8)]
    test: Annotated[str, Field(min_length=1, max_length=400)]
    protected: Annotated[list[str], Field(min_length=1)] = ["test_*.py", "tests/*"]
    size: Literal["S", "M", "L"] = "S"
    budget_usd: Annotated[Decimal, Field(gt=0, le=100)] = Decimal("2.00")


@dataclass(frozen=True, slots=True)
class SuiteTask:
    """One task: what is asked, and the files of its repository by path. `protected` are those that judge it."""

    name: str
    asked: TaskFile
    files: dict[str, bytes]
    protected: dict[str, bytes]


class BadSuite(Exception):
    """The folder is no suite; `problems` has one line for each thing that is wrong, beginning with the file's name."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_task(place: Path) -> SuiteTask:
    """The task in a folder. Raises `BadSuite` with everything that is wrong about it."""
    problems: list[str] = []
    called = plain_name(place.name)
    if not NAME.match(called):
        problems.append(f"{called}: a task is named by up to 40 lower-case letters, digits and hyphens.")
    asked = None
    try:
        asked = _asked(place)
    except BadSuite as bad:
        problems += [f"{called}/task.toml: {problem}" for problem in bad.problems]
    files: dict[str, bytes] = {}
    for path, found in read_tree(place / "repository"):
        if isinstance(found, bytes):
            files[path] = found
        else:
            problems.append(f"{called}/repository/{path}".rstrip("/") + f": {found}")
    protected = {
        path: content
        for path, content in files.items()
        if asked is not None and any(fnmatchcase(path, glob) for glob in asked.protected)
    }
    if asked is not None and files and not protected:
        problems.append(
            f"{called}/task.toml: protected: no file of the repository matches, so nothing judges the task."
        )
    if problems or asked is None:
        raise BadSuite(problems)
    return SuiteTask(place.name, asked, files, protected)


def _asked(place: Path) -> TaskFile:
    """What the folder's `task.toml` says. Raises `BadSuite` with what is wrong in it, without the file's name."""
    try:
        said = tomllib.loads(read_file(place, "task.toml").decode())
        asked = TaskFile.model_validate(said)
    except NoFile as odd:
        raise BadSuite([str(odd)]) from odd
    except ValidationError as error:
        raise BadSuite(list(told(error))) from error
    except (ValueError, RecursionError) as error:
        why = "it nests too deep" if isinstance(error, RecursionError) else error
        raise BadSuite([f"it is not TOML: {why}."]) from error
    if problems := list(unkept(said)):
        raise BadSuite(problems)
    return asked


def told(error: ValidationError) -> Iterator[str]:
    """What is wrong with each part of a file, by its name."""
    for one in error.errors(include_input=False, include_url=False):
        yield f"{'.'.join(map(str, one['loc']))}: {one['msg']}."


def unkept(said: Mapping[str, Any]) -> Iterator[str]:
    """The parts of a file with characters that no database keeps."""
    for name, value in said.items():
        try:
            if unstorable(value):
                yield f"{name}: Text must not hold null characters or lone surrogates."
        except TooDeep as deep:
            yield f"{name}: {deep}"
