"""Commit statuses of the old kind beside check runs: one that is pending is waited for, one that failed is red."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_workers.forges.checks import judged
from gpu_workers.forges.protocol import Checks, CheckStatus
from gpu_workers.forges.rest import Api
from guildhall.kernel.errors import Unavailable
from tests.fakes.github import FULL_NAME, TOKEN, GitHubServer

pytestmark = pytest.mark.integration
SHA = "e" * 40
LEAK = "ghp_" + "A1b2C3d4" * 5


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[GitHubServer]:
    with GitHubServer(tmp_path / "hub") as server:
        yield server


def said(hub: GitHubServer) -> Checks:
    return judged(Api(hub.url, TOKEN, loopback=True), f"/repos/{FULL_NAME}", SHA)


def test_statuses_and_check_runs_are_judged_together(hub: GitHubServer) -> None:
    assert said(hub).status is CheckStatus.NONE, "what GitHub calls pending is no status at all"
    hub.say(SHA, "jenkins", "success")
    assert said(hub) == Checks(CheckStatus.PASSED, 1, 0)
    hub.judge(SHA, "success")
    hub.say(SHA, "deploy", "pending")
    assert said(hub) == Checks(CheckStatus.PENDING, 4, 0), "every check run has passed"
    for bad in ("failure", "error"):
        hub.say(SHA, "deploy", bad, f"The rounding is off; {LEAK}")
        found = said(hub)
        assert (found.status, found.passed, found.failed) == (CheckStatus.FAILED, 4, 1)
        assert f"Status 'deploy' is {bad}.\nThe rounding is off" in found.log
        assert LEAK not in found.log
    hub.say(SHA, "deploy", "success")
    assert said(hub) == Checks(CheckStatus.PASSED, 5, 0), "the last of each context counts"
    hub.judge(SHA, None)
    assert said(hub).status is CheckStatus.PENDING, "every status has passed"


def test_a_bad_status_on_a_later_page_is_seen_and_what_may_not_be_read_is_no_yes(hub: GitHubServer) -> None:
    for number in range(4):
        hub.say(SHA, f"part-{number}", "success")
    hub.say(SHA, "last", "failure")
    assert said(hub).status is CheckStatus.FAILED
    hub.reads_statuses = False
    with pytest.raises(Unavailable, match="not accessible by personal access token"):
        said(hub)
