"""What agents are told is never changed under its version, and a run keeps the version that it was queued with."""

import json

import pytest

from gpu_workers.models import Agent
from gpu_workers.models.agent import KIND_ROLES, AgentKind
from gpu_workers.prompts import digest_of, hashes, prompts_of, versions_of
from tests.support.documents import PROMPTS

pytestmark = pytest.mark.unit


def test_no_prompt_that_was_shipped_is_changed_or_gone() -> None:
    locked: dict[str, str] = json.loads(PROMPTS.read_text())
    now = hashes()
    assert {name for name in locked if now.get(name) != locked[name]} == set(), "give the new words another version"
    assert set(now) == set(locked), "write the new ones down: python -m tests.support.documents"


@pytest.mark.parametrize("kind", list(AgentKind))
def test_every_kind_has_prompts_of_the_version_that_agents_begin_with(kind: AgentKind) -> None:
    assert Agent._meta.get_field("prompt_version").default in versions_of(kind)
    assert KIND_ROLES[kind]
    for changes_files in (True, False):
        told = prompts_of(kind, "v1", changes_files=changes_files)
        assert {prompt.name for prompt in told} > {"council"}
        assert digest_of(kind, "v1", changes_files=changes_files) != digest_of("", "v1", changes_files=changes_files)
    assert versions_of("nobody") == ()
