"""A repair is proven by the task's own tests, run by the real runner, which says that each of them has passed."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpu_workers.management.commands.run_suite import SHIPPED
from gpu_workers.repos import Signature, create_repository
from gpu_workers.sandbox import Sandbox
from gpu_workers.suite.form import SuiteTask, TaskFile, read_task
from gpu_workers.suite.judging import judges, unnamed
from gpu_workers.suite.proof import proves

GONE = b"import os\nos._exit(0)\n"
SKIPPED = b"import unittest\nraise unittest.SkipTest('not today')\n"
PAGES = b"""
def page_count(items, size):
    return max(1, -(-len(items) // size))


def page(items, number, size):
    if not 1 <= number <= page_count(items, size):
        raise ValueError(number)
    return items[(number - 1) * size : number * size]
"""
NEEDLESS = {"unittest.py": GONE, "unittest/__init__.py": GONE, "conftest.py": GONE, "sitecustomize.py": GONE}
NEEDLESS |= {"argparse.py": GONE, "test_more.py": GONE, "test_pages.py": b""}


def merged(ground: Path, task: SuiteTask, changed: dict[str, bytes]) -> Path:
    repo, when = ground / f"{len(list(ground.iterdir()))}.git", datetime(2026, 1, 1, tzinfo=UTC)
    create_repository(repo, {**task.files, **changed}, Signature("Ada", "ada@example.org"), when)
    return repo


@pytest.mark.integration
def test_what_ends_the_runner_or_stands_in_for_it_proves_nothing(ground: Path, sandbox: Sandbox) -> None:
    task = read_task(SHIPPED / "page-numbers")
    cheats = [{name: GONE} for name in NEEDLESS] + [{"pages.py": GONE}, {"pages.py": SKIPPED}]
    found = [proves(task, merged(ground, task, cheat), sandbox, ground / "scratch") for cheat in cheats]
    assert found == [False] * len(cheats), cheats
    assert proves(task, merged(ground, task, {"pages.py": PAGES, **NEEDLESS}), sandbox, ground / "scratch")


def test_a_report_of_pytest_names_each_test_and_files_of_the_program_are_its_own() -> None:
    judge = b"import pytest\ndef test_a(): 1\nclass TestB:\n    def test_b(self): pass\n@pytest.mark.skip\ndef test_c(): 1\n"
    asked = TaskFile(title="A title", statement="x" * 20, acceptance=["x" * 10], test="python3 -m pytest -q")
    task = SuiteTask("one", asked, {"calendar.py": b"", "tests/test_one.py": judge}, {"tests/test_one.py": judge})
    said = "PASSED tests/test_one.py::test_a\nPASSED tests/test_one.py::TestB::test_b\n2 passed in 0.01s\n"
    assert (unnamed(task, said), unnamed(task, "2 passed in 0.01s\n")) == ([], ["test_a", "test_b"])
    other = replace(task, asked=asked.model_copy(update={"test": "make check"}))
    assert unnamed(other, "") == [], "an exit status is all that another runner gives"
    ours = ["calendar.py", "shop/types.py", "site/index.html", "readme.md"]
    theirs = [
        "random",
        "types.py",
        "queue/__init__.py",
        "src/conftest.py",
        "tests/x/y.py",
        "pytest.ini",
        "src/unittest",
    ]
    assert [path for path in (*ours, *theirs) if judges(path, task)] == theirs
