"""What judges a repair: which files may not come from it, and which tests the runner's report has to name. Pure."""

import ast
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from gpu_workers.suite.form import SuiteTask

RUNNERS = frozenset({"unittest", "pytest", "_pytest", "pluggy", "conftest", "sitecustomize", "usercustomize"})
"""Modules that are the runner, or that it loads unasked; in no folder is one of them part of a repair."""
CONFIGURATIONS = frozenset({"pytest.ini", ".pytest.ini", "tox.ini"})
IMPORTED = frozenset({".py", ".pyc", ".so"})
UNITTEST = re.compile(r"-m unittest(?: discover)?(?![\w.-])")
PYTEST = re.compile(r"(?<![\w./-])(?:-m )?pytest(?![\w.-])")
SET_ASIDE = ("skip", "expectedFailure", "xfail")
"""Words in the decorators of tests that need not pass."""


def judges(path: str, task: SuiteTask) -> bool:
    """Whether a file of this path decides how the tests end: such a file is the task's own, or there is none.

    `path` is a file's or a link's; a link has no ending where it leads to a folder. What stands at the root is found before
    the standard library's module of that name; where the task has it there, it is a part of the program.
    """
    parts = PurePosixPath(path).parts
    if any(fnmatchcase(path, glob) for glob in task.asked.protected) or parts[-1] in CONFIGURATIONS:
        return True
    if PurePosixPath(path).suffix not in IMPORTED and "." in parts[-1]:
        return False
    names = [part.partition(".")[0] for part in parts]
    if not RUNNERS.isdisjoint(names):
        return True
    return names[0] in sys.stdlib_module_names and path not in task.files


def reporting(command: str) -> str:
    """The command with the runner's report on each test; as it is where the runner is another one."""
    if UNITTEST.search(command):
        return UNITTEST.sub(r"\g<0> -v", command)
    return PYTEST.sub(r"\g<0> -rA", command)


def unnamed(task: SuiteTask, output: str) -> list[str]:
    """Tests of the task that the runner's report does not say have passed; none where the runner is another one."""
    command = task.asked.test
    if UNITTEST.search(command):
        return sorted(set(_tests(task, in_classes=True)) - _passed_by_unittest(output))
    if PYTEST.search(command):
        passed = set(re.findall(r"^PASSED \S+?::(?:\w+::)*(\w+)", output, re.MULTILINE))
        return sorted(set(_tests(task, in_classes=False)) - passed)
    return []


def _passed_by_unittest(output: str) -> set[str]:
    """Without the sum at its end it is no report."""
    if not re.search(r"^Ran \d+ tests? in .*\n\nOK", output, re.MULTILINE):
        return set()
    sections = re.split(r"^(?=test\w* \()", output, flags=re.MULTILINE)
    return {section.partition(" ")[0] for section in sections if re.search(r"ok$", section, re.MULTILINE)}


def _tests(task: SuiteTask, *, in_classes: bool) -> Iterator[str]:
    """Names of the tests in the files that judge; of the files that the command names, where it names some."""
    files = {path: text for path, text in task.protected.items() if _holds_tests(path)}
    named = {path for path in files if re.search(rf"\b{re.escape(PurePosixPath(path).stem)}\b", task.asked.test)}
    for path in named or files:
        try:
            yield from _tests_in(ast.parse(files[path]).body, inside=not in_classes)
        except (SyntaxError, ValueError):
            continue


def _holds_tests(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(".py") and (name.startswith("test") or name.endswith("_test.py"))


def _tests_in(body: list[ast.stmt], *, inside: bool) -> Iterator[str]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if any(word in ast.unparse(one) for one in node.decorator_list for word in SET_ASIDE):
            continue
        if isinstance(node, ast.ClassDef):
            yield from _tests_in(node.body, inside=True)
        elif inside and node.name.startswith("test"):
            yield node.name
