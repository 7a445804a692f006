"""Fail unless every test ran and enough of the code was run: `python -m tests.support.check_report JUNIT [COVERAGE]`."""

import sys
from pathlib import Path
from xml.etree import ElementTree

LOWEST_COVERAGE = 0.80


def rate_of(coverage: str) -> float:
    """The part of the lines that were run, from 0 to 1, by coverage's report (its XML text)."""
    return float(ElementTree.fromstring(coverage).get("line-rate", "0"))  # noqa: S314  coverage wrote it a moment ago


def problems(junit: str, coverage: str = "") -> list[str]:
    """What is wrong with the reports (their XML text); empty when all is well. An xfail counts as skipped.

    Without a report on `coverage` nothing is asked of it.
    """
    found = []
    cases = list(ElementTree.fromstring(junit).iter("testcase"))  # noqa: S314  pytest wrote it a moment ago
    if not cases:
        found.append("no test ran")
    for case in cases:
        for kind in ("skipped", "failure", "error"):
            found += [f"{kind}: {case.get('classname')}.{case.get('name')}" for _ in case.iter(kind)]
    if not coverage:
        return found
    if (rate := rate_of(coverage)) < LOWEST_COVERAGE:
        found.append(f"coverage is {rate:.1%}, under {LOWEST_COVERAGE:.0%}")
    return found


if __name__ == "__main__":
    reports = [Path(argument).read_text() for argument in sys.argv[1:3]]
    found = problems(*reports)
    print(
        "\n".join(found) or ", ".join(["every test ran", *(f"{rate_of(each):.1%} of the code" for each in reports[1:])])
    )
    sys.exit(bool(found))
