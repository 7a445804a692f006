"""Local CI on real repositories in the real sandbox."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpu_workers.ci import CIStatus, run_ci
from gpu_workers.ci import TestStatus as Status
from gpu_workers.repos import Signature, create_repository
from gpu_workers.sandbox import Sandbox, SandboxLimits

pytestmark = pytest.mark.integration

WHO, NOON = Signature("Mason", "mason@agents.example"), datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
REPORT = (
    '<testsuite><testcase classname="t" name="one" time="0.5"/>'
    '<testcase classname="t" name="two"><failure message="1 != 2">trace</failure></testcase></testsuite>'
)


def made(ground: Path, files: dict[str, bytes]) -> tuple[Path, str]:
    return ground / "x.git", create_repository(ground / "x.git", files, WHO, NOON)


def test_a_green_commit_passes_and_leaves_nothing_behind(ground: Path, sandbox: Sandbox) -> None:
    repo, sha = made(ground, {"ci.sh": b'test -f ci.sh && test "$CI" = true && echo green\n'})
    heard: list[bytes] = []
    outcome = run_ci(repo, sha, "sh ci.sh", sandbox, ground / "scratch", heard.append)
    assert (outcome.status, outcome.exit_code, outcome.sha) == (CIStatus.PASSED, 0, sha)
    assert outcome.log == "green\n"
    assert b"".join(heard) == b"green\n"
    assert list((ground / "scratch").iterdir()) == []


def test_a_red_commit_fails_with_its_test_cases(ground: Path, sandbox: Sandbox) -> None:
    source = f"open('ci-report.xml', 'w').write({REPORT!r}); print('1 failed'); raise SystemExit(1)"
    repo, sha = made(ground, {"ci.py": source.encode()})
    outcome = run_ci(repo, sha, "python3 ci.py", sandbox, ground / "scratch")
    assert outcome.status is CIStatus.FAILED
    assert outcome.counts == {"passed": 1, "failed": 1}
    assert [(test.name, test.status) for test in outcome.tests] == [("one", Status.PASSED), ("two", Status.FAILED)]
    assert "1 != 2" in outcome.tests[1].message


def test_a_report_that_the_commit_brings_along_does_not_count(ground: Path, sandbox: Sandbox) -> None:
    repo, sha = made(ground, {"ci-report.xml": REPORT.encode()})
    outcome = run_ci(repo, sha, "true", sandbox, ground / "scratch")
    assert (outcome.status, outcome.tests) == (CIStatus.PASSED, ())


def test_a_report_that_is_a_link_or_a_bomb_is_not_read(ground: Path, sandbox: Sandbox) -> None:
    (ground / "secret.xml").write_text(REPORT)
    repo, sha = made(ground, {"x": b"x"})
    linked = run_ci(repo, sha, f"ln -s {ground}/secret.xml ci-report.xml", sandbox, ground / "scratch")
    bomb = run_ci(
        repo, sha, "printf '<!DOCTYPE a [<!ENTITY b \"b\">]><a>&b;</a>' > ci-report.xml", sandbox, ground / "s"
    )
    for outcome in (linked, bomb):
        assert outcome.tests == ()
        assert "was not read" in outcome.log
        assert outcome.status is CIStatus.PASSED


@pytest.mark.parametrize(
    ("command", "status"),
    [("sleep 30", CIStatus.TIMEOUT), ("no-such-program", CIStatus.ERROR), ("yes", CIStatus.ERROR)],
)
def test_a_command_without_a_verdict_is_no_failure_of_the_change(
    ground: Path, sandbox: Sandbox, command: str, status: CIStatus
) -> None:
    repo, sha = made(ground, {"x": b"x"})
    limits = SandboxLimits(wall_s=2.0, output=20_000)
    assert run_ci(repo, sha, command, sandbox, ground / "scratch", limits=limits).status is status


def test_secrets_in_the_log_are_redacted(ground: Path, sandbox: Sandbox) -> None:
    repo, sha = made(ground, {"x": b"x"})
    outcome = run_ci(repo, sha, "echo DB_PASSWORD=hunter2hunter2", sandbox, ground / "scratch")
    assert outcome.log == "DB_PASSWORD=[redacted]\n"


def test_a_commit_that_does_not_exist_is_an_error(ground: Path, sandbox: Sandbox) -> None:
    repo, _ = made(ground, {"x": b"x"})
    outcome = run_ci(repo, "0" * 40, "true", sandbox, ground / "scratch")
    assert outcome.status is CIStatus.ERROR
    assert "could not be checked out" in outcome.log
