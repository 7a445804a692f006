"""What a model can do is found out by asking it, and a request that its window cannot hold is not sent."""

import json
from typing import Any

import pytest

from gateway.abilities import CHANGES, ORDERS, Abilities, find_out, slots_of, window_of
from gateway.chat import Request
from gateway.window import fitted, prompt_tokens
from gateway.wire import CallFailed, Endpoint
from guildhall.kernel.errors import TooLarge
from tests.fakes.openai_server import OpenAIServer

pytestmark = pytest.mark.unit

HELLO: dict[str, Any] = {"when": {"contains": ["Say hello."]}, "reply": {"text": "Hello."}}
ACTS: list[dict[str, Any]] = [
    {"when": {"contains": [text]}, "reply": {"tool_calls": [{"name": name, "arguments": arguments}]}}
    for text, name, arguments in ORDERS
]
JUDGES: list[dict[str, Any]] = [
    {"when": {"contains": [rule], "schema": "verdict"}, "reply": {"text": {"verdict": right}}}
    for rule, _, right in CHANGES
]
REFUSES_TOOLS: dict[str, Any] = {"when": {"contains": ["Use a tool"]}, "status": 400}
CLAIMS: dict[str, Any] = {"when": {"contains": ["Use a tool"]}, "reply": {"text": '{"name": "cancel_delivery"}'}}
SAME_TOOL: dict[str, Any] = {
    "when": {"contains": ["Use a tool"]},
    "reply": {"tool_calls": [{"name": "cancel_delivery", "arguments": {"number": 3071}}]},
}


def always(verdict: str) -> dict[str, Any]:
    return {"when": {"schema": "verdict"}, "reply": {"text": verdict}}


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ([HELLO, *ACTS, *JUDGES], Abilities(tools=True, schema=True, judges=True)),
        ([HELLO, REFUSES_TOOLS, *JUDGES], Abilities(tools=False, schema=True, judges=False)),
        ([HELLO, CLAIMS, *JUDGES], Abilities(tools=False, schema=True, judges=False)),
        ([HELLO, SAME_TOOL, *JUDGES], Abilities(tools=False, schema=True, judges=False)),
        ([HELLO, *ACTS, always('{"verdict": "breaks"}')], Abilities(tools=True, schema=True, judges=False)),
        ([HELLO, *ACTS, always('{"verdict": "keeps"}')], Abilities(tools=True, schema=True, judges=False)),
        ([HELLO, *ACTS, always("It keeps the rule.")], Abilities(tools=True, schema=False, judges=False)),
    ],
)
def test_only_what_is_shown_counts(script: list[dict[str, Any]], found: Abilities) -> None:
    with OpenAIServer(script) as server:
        assert find_out(Endpoint(server.url, "scripted", "", 10)) == found


def test_a_server_that_answers_nothing_is_not_taken_for_a_model_without_abilities() -> None:
    with OpenAIServer([]) as server:
        endpoint = Endpoint(server.url, "scripted", "", 10)
        with pytest.raises(CallFailed):
            find_out(endpoint)
        assert window_of(endpoint) is None
        assert slots_of(endpoint) is None


def test_a_server_that_works_at_so_many_calls_at_once_says_so() -> None:
    with OpenAIServer([], slots=3) as server:
        assert slots_of(Endpoint(server.url, "scripted", "", 10)) == 3


def test_a_window_is_read_from_the_servers_list_of_models() -> None:
    with OpenAIServer([]) as server:
        server.models = [{"id": "other", "max_model_len": 9}, {"id": "scripted", "max_model_len": 4096}]
        assert window_of(Endpoint(server.url, "scripted", "", 10)) == 4096


def test_an_answer_is_shortened_to_the_room_there_is_and_refused_where_there_is_too_little() -> None:
    request = Request(messages=[{"role": "user", "content": "word " * 800}], max_tokens=700)
    asked = prompt_tokens(request)
    assert fitted(request, asked + 700, "m") is request
    assert fitted(request, asked + 699, "m").max_tokens == 699
    assert fitted(request, asked + 175, "m").max_tokens == 175
    with pytest.raises(TooLarge, match=f"{asked:,} tokens.*700.*do not fit m.* {asked + 174:,} "):
        fitted(request, asked + 174, "m")
    tools = [{"name": "read_file", "description": "long " * 400}]
    with_tools = Request(messages=request.messages, tools=tools, max_tokens=700)
    assert prompt_tokens(with_tools) >= asked + len(json.dumps(tools)) // 4
