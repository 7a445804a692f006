"""The form of a repair task in a suite: `NAME/task.toml` and `NAME/repository/`, read whole or not at all."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpu_workers.repos import plain_name

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")
MOST_FILES, MOST_BYTES = 2000, 1024 * 1024
Line = Annotated[str, Field(min_length=5, max_length=120)]


class TaskFile(BaseModel):
    """What `task.toml` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Line
    statement: Annotated[str, Field(min_length=20, max_length=4000)]
    acceptance: Annotated[list[Annotated[str, Field(min_length=10, max_length=500)]], Field(min_length=1, max_length=8)]
    test: Annotated[str, Field(min_length=1, max_length=500)]
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
    if not NAME.match(place.name):
        problems.append(f"{place.name}: a task is named by up to 40 lower-case letters, digits and hyphens.")
    asked = None
    try:
        asked = TaskFile.model_validate(tomllib.loads((place / "task.toml").read_text()))
    except FileNotFoundError:
        problems.append(f"{place.name}/task.toml: it is missing.")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{place.name}/task.toml: it is not TOML: {error}.")
    except ValidationError as error:
        for one in error.errors():
            where = ".".join(map(str, one["loc"]))
            problems.append(f"{place.name}/task.toml: {where}: {one['msg']}.")
    files: dict[str, bytes] = {}
    for path, found in _files(place / "repository"):
        if isinstance(found, bytes):
            files[path] = found
        else:
            problems.append(f"{place.name}/repository/{path}".rstrip("/") + f": {found}")
    protected = {
        path: content
        for path, content in files.items()
        if asked is not None and any(fnmatchcase(path, glob) for glob in asked.protected)
    }
    if asked is not None and files and not protected:
        problems.append(
            f"{place.name}/task.toml: protected: no file of the repository matches, so nothing judges the task."
        )
    if problems or asked is None:
        raise BadSuite(problems)
    return SuiteTask(place.name, asked, files, protected)


def _files(root: Path) -> Iterator[tuple[str, bytes | str]]:
    """Every file below `root` with its content, or with what is wrong with it."""
    count = 0
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if "__pycache__" in path.parts or (path.is_dir() and not path.is_symlink()):
            continue
        count += 1
        if plain_name(name) != name:
            yield plain_name(name), "its name is not written in UTF-8."
        elif path.is_symlink() or not path.is_file():
            yield name, "only plain files can be part of a task."
        elif ".git" in path.relative_to(root).parts:
            yield name, "a repository is given as files, without its .git."
        elif path.stat().st_size > MOST_BYTES:
            yield name, f"it is larger than {MOST_BYTES} bytes."
        else:
            yield name, path.read_bytes()
        if count > MOST_FILES:
            yield "", f"it has more than {MOST_FILES} files."
            return
    if not count:
        yield "", "it is missing or empty."
