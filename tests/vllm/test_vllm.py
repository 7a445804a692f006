"""Agents and a council on vLLM: what works on the embedded engine works on this one, through the same gateway."""

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import psutil
import pytest

from gateway.abilities import TOOLS
from gateway.chat import Request
from gateway.engines import read_metrics
from gateway.tests.test_completion import say
from gateway.wire import Endpoint, call
from governance.selectors import spend_of
from gpu_workers.councils import asking
from gpu_workers.councils.convening import call_council, give_run
from gpu_workers.models import RunStep
from gpu_workers.runs.engine import execute
from guildhall.embedded.engines import VLLM_MODULE
from guildhall.kernel.actor import system_actor
from guildhall.kernel.tenancy import tenant_scope
from tests.story.test_documentation_stories import build, written
from tests.support.documentation import generated
from tests.support.engine import KEY
from tests.support.processes import until
from tests.support.tenants import TestTenant
from tests.vllm.conftest import Served
from workflows.actions import create_story
from workflows.models import Contribution, Council

pytestmark = pytest.mark.e2e
STORY = generated(6)
AT_ONCE = 8
LONG = [{"role": "user", "content": "A van takes parcels to Lisbon and comes back empty. " * 20}]
SHORT = replace(asking.SMALL, proposal=40, critique=24, score=100, reason=6)
"""What seats may say at most here: all that a council does, in a fifth of the time."""


def test_an_agent_writes_documentation_from_its_evidence_and_it_is_merged(tenant: TestTenant, vllm: Served) -> None:
    world = build(tenant, STORY)
    row = written(world, STORY)
    world.settle()
    approval = world.approval(world.task(row))
    if approval is None:
        pytest.fail(world.told(), pytrace=False)
    world.approve(approval)
    world.settle()
    assert world.task(row).state == "done"
    text = " ".join(world.text(STORY.target).split())
    assert all(fact in text for fact in STORY.facts)
    with tenant_scope(tenant.schema):
        asked = RunStep.objects.filter(kind="model")
        answers = [step.response for step in asked if step.response]
        assert {answer["model"] for answer in answers} == {vllm.model}
        assert not any(answer["estimated"] for answer in answers), "tokens are the engine's own count"
        assert spend_of("cost_kind", "model").spent == sum((step.cost for step in asked), Decimal(0)) > 0


def test_a_council_deliberates_and_decides(tenant: TestTenant, vllm: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SMALL", SHORT)
    world = build(tenant, STORY)
    with tenant_scope(tenant.schema):
        dispatcher = system_actor("dispatcher", tenant.schema)
        content: Any = {
            "title": STORY.task.title,
            "brief": STORY.task.brief,
            "evidence": STORY.task.evidence,
            "acceptance": list(STORY.task.acceptance),
        }
        story = create_story(actor=tenant.actor("developer"), project=world.project, content=content)
        council, _ = call_council(actor=dispatcher, story=story, subject="solution")
        run = give_run(council)
        assert run is not None
        execute(run.number)
        council = Council.objects.get(pk=council.pk)
        phases = Counter(Contribution.objects.filter(council=council, valid=True).values_list("phase", flat=True))
    assert council.state == "completed", world.told()
    assert phases["proposal"] == 3


def test_calls_of_many_threads_are_batched(vllm: Served) -> None:
    body = {"model": vllm.model, "messages": [{"role": "user", "content": "Count to forty."}], "max_tokens": 48}
    head = {"Authorization": f"Bearer {KEY}"}

    def ask(_: int) -> int:
        answer = httpx.post(f"{vllm.url}/chat/completions", json=body, headers=head, timeout=300).raise_for_status()
        return int(answer.json()["usage"]["completion_tokens"])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(ask, number) for number in range(AT_ONCE)]
        until(lambda: _running(vllm) > 1, seconds=120, what="two calls in one batch")
        assert [call.result() > 0 for call in asked] == [True] * AT_ONCE


def test_a_prompt_is_found_in_the_cache_by_who_asked_it_alone(
    tenant: TestTenant, other_tenant: TestTenant, vllm: Served
) -> None:
    """By the engine's own count of tokens that it had already read."""
    found = []
    for who, key in ((tenant, "first"), (other_tenant, "first"), (tenant, "second")):
        before = _read_before(vllm)
        say(who, key, route="code", timeout_s=300.0, request={"messages": LONG, "max_tokens": 4})
        found.append(_read_before(vllm) - before)
    mine, theirs, again = found
    assert (mine, theirs, again > 0) == (0, 0, True)


def test_tools_are_offered_and_a_call_of_the_named_form_is_one(vllm: Served) -> None:
    """The packaged model makes no calls of its own accord; shown how, it writes one, in the form that the engine was told."""
    order, number = "Nobody wants delivery 3071 any more.", {"number": 3071}
    call_made = {"name": "cancel_delivery", "arguments": number}
    shown = {"role": "assistant", "content": f"<tool_call>\n{json.dumps(call_made)}\n</tool_call>"}
    asked = {"role": "user", "content": order}
    request = Request(messages=[asked, shown, asked, shown, asked], tools=TOOLS, max_tokens=60)
    answer = call(Endpoint(vllm.url, vllm.model, KEY, 300), request, deadline_s=300)
    (made,) = answer.tool_calls
    assert (made["name"], json.loads(made["arguments"])) == ("cancel_delivery", number)
    assert answer.finish_reason == "tool_calls"


def test_an_answer_of_a_form_is_no_longer_than_the_form(vllm: Served) -> None:
    form = {"type": "object", "properties": {"city": {"enum": ["Lisbon"]}, "vans": {"type": "integer"}}}
    request = Request(messages=LONG, schema=form | {"required": ["city", "vans"]}, max_tokens=60)
    text = call(Endpoint(vllm.url, vllm.model, KEY, 300), request, deadline_s=300).text
    assert text == json.dumps(json.loads(text), separators=(",", ":"))


def test_an_engine_that_dies_is_started_again(vllm: Served) -> None:
    server = _server(vllm)
    assert server is not None
    family = server.children(recursive=True)
    inner = next(process for process in family if any("EngineCore" in part for part in process.cmdline()))
    inner.kill()
    until(lambda: not server.is_running(), seconds=120, what="the end of the old server")
    until(lambda: _server(vllm), seconds=60, what="the start of a new one")
    assert vllm.process.poll() is None


def _server(vllm: Served) -> psutil.Process | None:
    """The engine's outer process, where there is one now."""
    for process in psutil.Process(vllm.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if VLLM_MODULE in process.cmdline():
                return process
    return None


def _read_before(vllm: Served) -> float:
    """Tokens of prompts that were found in the engine's cache since its start."""
    text = httpx.get(vllm.url.removesuffix("/v1") + "/metrics", timeout=20).text
    return sum(map(float, re.findall(r"^vllm:prefix_cache_hits_total\S* (\S+)$", text, re.MULTILINE)))


def _running(vllm: Served) -> float:
    """As routing reads it."""
    text = httpx.get(vllm.url.removesuffix("/v1") + "/metrics", timeout=20).text
    figures = read_metrics(text)
    assert {"running", "waiting", "cache_use", "written"} <= set(figures)
    return figures["running"]
