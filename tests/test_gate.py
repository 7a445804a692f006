"""The gate's own checks catch what they are there for."""

import sys

import pytest

from tests.support.check_report import problems
from tests.support.check_templates import broken_rules

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
    ],
)
def test_forbidden_markup_is_seen(text: str) -> None:
    assert broken_rules(text)


def test_ordinary_markup_passes() -> None:
    assert (
        broken_rules('{% load static %}<script src="{% static "gh/x.js" %}" defer></script><p class="x">{{ y }}</p>')
        == []
    )


@pytest.fixture
def counted_before() -> bool:
    return sys.gettrace() is not None


def test_no_coverage_is_counted_beside_this_folder_nor_for_its_fixtures(counted_before: bool) -> None:
    assert (counted_before, sys.gettrace()) == (False, None)
