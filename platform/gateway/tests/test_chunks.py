"""Engines that send what is no answer: the call is made elsewhere, and costs no more than was set aside for it."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from gateway import routing
from gateway.models import Deployment, Route
from gateway.tests.test_completion import HELLO, assert_settled, provider, say
from governance.selectors import entries_of
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.fakes.openai_server import OpenAIServer
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
__all__ = ["provider"]
CALL = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
ENVELOPE = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}


def event(delta: Any, finish: Any = None, **choice: Any) -> dict[str, Any]:
    return {**ENVELOPE, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **choice}]}


SENSELESS = {
    "no choices": [{**ENVELOPE, "choices": None}],
    "choices of text": [{**ENVELOPE, "choices": "hello"}],
    "no delta": [event(None, "stop")],
    "a number for a text": [event({"content": 5}, "stop")],
    "a list for a reason": [event({"content": "hi"}, ["stop"])],
    "a call without a place": [event({"tool_calls": [CALL]}, "stop")],
    "a call before the first": [event({"tool_calls": [{"index": -1, **CALL}]}, "stop")],
    "a call far out": [event({"tool_calls": [{"index": 30_000_000, **CALL}]}, "stop")],
    "no object": [[1, 2], "hello", 7],
    "too much at once": [event({"content": "z" * 1_000_000}, "stop")],
}
COUNTS = {
    "huge": {"prompt_tokens": 10**12, "completion_tokens": 10**15},
    "beyond what it may write": {"prompt_tokens": 5, "completion_tokens": 217},
    "negative": {"prompt_tokens": -5, "completion_tokens": -(10**6)},
    "text": {"prompt_tokens": "7", "completion_tokens": "x"},
    "nothing": {"prompt_tokens": None, "completion_tokens": None},
    "true": {"prompt_tokens": True, "completion_tokens": True},
    "none written": {"prompt_tokens": 5, "completion_tokens": 0},
    "none read": {"prompt_tokens": 0, "completion_tokens": 5},
}


@pytest.fixture
def second(provider: OpenAIServer) -> Iterator[OpenAIServer]:
    """Another deployment, asked after the first."""
    with OpenAIServer([HELLO]) as server:
        with platform_scope():
            row = Deployment.objects.create(name="second", base_url=server.url, model="scripted", timeout_s=10)
            Route.objects.create(name="test", rank=2, deployment=row)
        yield server
        with platform_scope():
            row.delete()


@pytest.fixture
def in_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner's ranks decide, whatever was asked in the last seconds."""
    monkeypatch.setattr(routing, "_least_loaded_first", lambda found, failures: found)


def test_what_is_no_answer_is_asked_of_the_next_and_costs_nothing(
    tenant: TestTenant, provider: OpenAIServer, second: OpenAIServer, in_rank: None
) -> None:
    for number, (what, events) in enumerate(SENSELESS.items(), 1):
        provider.script = [{"sends": events}]
        completion = say(tenant, what)
        assert (completion.deployment, completion.cut) == ("second", ""), what
        assert (len(provider.journal), len(second.journal)) == (number, number), what
    assert_settled(tenant, completion.cost * len(SENSELESS))


def test_a_count_that_cannot_be_is_no_count_and_the_charge_an_estimate(
    tenant: TestTenant, provider: OpenAIServer
) -> None:
    for what, told in COUNTS.items():
        provider.script = [{"sends": [event({"content": "hi"}, "stop"), {**ENVELOPE, "choices": [], "usage": told}]}]
        completion = say(tenant, what)
        assert (completion.text, completion.estimated) == ("hi", True), what
        assert Decimal(0) < completion.cost < Decimal("0.001"), what
    with tenant_scope(tenant.schema):
        assert entries_of("run", "318")[0].estimated
    assert_settled(tenant, completion.cost * len(COUNTS))


def test_an_answer_without_end_is_cut_where_no_tokens_could_hold_it(tenant: TestTenant, provider: OpenAIServer) -> None:
    provider.script = [{"sends": [event({"content": "z" * 1000})], "endless": True}]
    completion = say(tenant)
    assert "more than 200 tokens" in completion.cut
    assert len(completion.text) < 20_000
    assert completion.tokens_out == 200, "it is charged for no more than it was allowed to write"
    assert_settled(tenant, completion.cost)
    provider.script = [{"sends": [{**ENVELOPE, "choices": [], "padding": "z" * 10**6}], "endless": True}]
    with pytest.raises(Unavailable, match="sends more than"):
        say(tenant, "again")
    assert_settled(tenant, completion.cost)


def test_a_packed_answer_is_not_unpacked(tenant: TestTenant, provider: OpenAIServer) -> None:
    """A megabyte of one may hold gigabytes; none is asked for."""
    provider.script = [{"sends": [event({"content": "z" * 1000}, "stop")], "packed": True}]
    with pytest.raises(Unavailable, match="the model server did not answer"):
        say(tenant)
    assert_settled(tenant, Decimal(0))


def test_log_probabilities_that_cannot_be_are_none(tenant: TestTenant, provider: OpenAIServer) -> None:
    """The mean of large ones is no number that could be kept with the answer."""
    said: list[Any] = [-1e308, -1.7e308, 1e308, 10**400, float("nan"), True, "x", -0.5]
    told = {"content": [{"token": "hi", "logprob": value} for value in said]}
    provider.script = [{"sends": [event({"content": "hi"}, "stop", logprobs=told)]}]
    completion = say(tenant)
    assert (completion.text, completion.cut, completion.mean_logprob) == ("hi", "", -0.5)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 503])
def test_what_one_deployment_refuses_the_next_is_asked(
    tenant: TestTenant, provider: OpenAIServer, second: OpenAIServer, in_rank: None, status: int
) -> None:
    provider.script = [{"status": status, "retry_after": 0}]
    assert say(tenant).deployment == "second"
    second.script = [{"status": 400}]
    with pytest.raises(Unavailable, match="second: the model server answered 400") as nobody:
        say(tenant, "again")
    assert bool(nobody.value.extra.get("refused")) == (status == 400), (
        "only a request that nobody takes is not tried for long"
    )
