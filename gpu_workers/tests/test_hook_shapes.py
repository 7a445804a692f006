"""GitHub's webhooks in GitHub's shapes: which commit each is about, and which are about none."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gpu_workers.forges.hooks import MAX_BYTES, commit_of, payload_of, repository_of
from tests.fakes import github_hooks as hooks

pytestmark = pytest.mark.unit
REPOSITORY = "fernhill/till"
SHA = "e" * 40
ABOUT_A_COMMIT: list[Callable[[str, str], dict[str, Any]]] = [
    hooks.check_run,
    hooks.check_suite,
    hooks.workflow_run,
    hooks.status,
    hooks.pull_request,
    hooks.pull_request_review,
    hooks.pull_request_review_comment,
    hooks.push,
]
ABOUT_NONE = {
    "ping": hooks.ping(REPOSITORY),
    "issue_comment": hooks.issue_comment(REPOSITORY),
    "push": hooks.push(REPOSITORY, hooks.NOTHING),
    "star": hooks.check_run(REPOSITORY, SHA),
    "check_run": {**hooks.check_run(REPOSITORY, SHA), "check_run": "not as GitHub sends it"},
    "status": hooks.status(REPOSITORY, "refs/heads/main"),
}


def received(payload: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps(payload).encode()
    assert len(body) < MAX_BYTES // 50
    found = payload_of(body)
    assert found is not None
    return found


@pytest.mark.parametrize("made", ABOUT_A_COMMIT)
def test_each_event_names_its_commit_among_all_others(made: Callable[[str, str], dict[str, Any]]) -> None:
    payload = received(made(REPOSITORY, SHA))
    assert repository_of(payload) == REPOSITORY
    assert commit_of(made.__name__, payload) == SHA


@pytest.mark.parametrize("kind", list(ABOUT_NONE))
def test_other_events_are_about_no_commit(kind: str) -> None:
    payload = received(ABOUT_NONE[kind])
    assert repository_of(payload) == REPOSITORY
    assert commit_of(kind, payload) == ""
