"""The gate's own checks catch what they are there for."""

import gc
import sys
from argparse import Namespace
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.check_report import problems, rate_of
from tests.support.check_templates import broken_rules
from tests.support.counting import Counter, add, write
from tests.support.sharing import only_hands_out

pytestmark = pytest.mark.unit

PASSED = '<testsuites><testsuite><testcase classname="a" name="b"/></testsuite></testsuites>'
SKIPPED = '<testsuites><testsuite><testcase classname="a" name="b"><skipped/></testcase></testsuite></testsuites>'
COVERED = '<coverage line-rate="0.85"/>'


def test_all_run_and_covered_is_well() -> None:
    assert problems(PASSED, COVERED) == []
    assert problems(PASSED) == []
    assert problems(SKIPPED) == ["skipped: a.b"]


@pytest.mark.parametrize(
    ("junit", "coverage", "complaint"),
    [
        (SKIPPED, COVERED, "skipped: a.b"),
        ("<testsuites/>", COVERED, "no test ran"),
        (PASSED, '<coverage line-rate="0.7999"/>', "coverage is"),
    ],
)
def test_skipped_missing_or_uncovered_fails(junit: str, coverage: str, complaint: str) -> None:
    assert any(problem.startswith(complaint) for problem in problems(junit, coverage))


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<a onclick="go()">x</a>',
        '<p style="color: red">x</p>',
        "{{ comment|safe }}",
        '<script src="https://cdn.example/x.js"></script>',
        "<p>{{ name }} is the agent's own</p>",
        "<p>all agents' words</p>",
    ],
)
def test_forbidden_markup_is_seen(text: str) -> None:
    assert broken_rules(text)


def test_ordinary_markup_passes() -> None:
    script = '{% load static %}<script src="{% static "gh/x.js" %}" defer></script>'
    assert broken_rules(script + """<p class="x">{{ y }} and {% url 'x' %} an agent’s</p>""") == []


def test_lines_that_ran_are_counted_and_lines_that_did_not_and_files_that_nobody_loaded_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "countedroom"
    for name in ("half", "never", "tests/unseen", "demo/repositories/unseen"):
        (room / name).parent.mkdir(parents=True, exist_ok=True)
        (room / f"{name}.py").write_text("def run(x):\n    if x:\n        return 1\n    return 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    counter = Counter([room])
    assert import_module("countedroom.half").run(True) == 1
    once = counter.stop()
    assert import_module("countedroom.never").run(True) == 1
    lines = {Path(name).name: (each["executed_lines"], each["missing_lines"]) for name, each in once["files"].items()}
    assert lines == {"half.py": ([1, 2, 3], [4]), "never.py": ([], [1, 2, 3, 4])}
    counter = Counter([room])
    monkeypatch.delitem(sys.modules, "countedroom.half")
    assert import_module("countedroom.half").run(False) == 2
    write(add(add(None, once), counter.stop()), tmp_path / "report.xml")
    assert rate_of((tmp_path / "report.xml").read_text()) == 0.5, "four of eight, from both counts"


def test_who_only_hands_tests_out_is_known_and_counts_nothing_from_there_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    assert only_hands_out(Namespace(numprocesses=2))
    assert not only_hands_out(Namespace(numprocesses=None))
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    assert not only_hands_out(Namespace(numprocesses=2))
    (tmp_path / "leftroom").mkdir()
    (tmp_path / "leftroom" / "late.py").write_text("ran = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    counter = Counter([tmp_path / "leftroom"])
    counter.leave()
    assert import_module("leftroom.late").ran
    assert [file["executed_lines"] for file in counter.stop()["files"].values()] == [[]]


def test_what_was_loaded_before_the_tests_is_not_looked_through_again_with_them() -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000
