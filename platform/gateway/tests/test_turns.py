"""What a user says several times in a row is told as one: strict chat templates refuse a conversation out of turn."""

import json
from typing import Any

import pytest

from gateway.chat import Request
from gateway.turns import in_turns
from gateway.wire import Endpoint, call
from tests.fakes.openai_server import OpenAIServer

pytestmark = pytest.mark.unit


def said(role: str, content: object, **more: object) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def test_a_users_words_in_a_row_are_one_and_nothing_else_is_touched() -> None:
    call = said("assistant", None, tool_calls=[{"id": "1"}])
    rest = [call, said("tool", "a", tool_call_id="1"), said("tool", "b", tool_call_id="2")]
    messages = [said("system", "s"), said("user", "1"), said("user", "2"), said("user", "3"), *rest, said("user", "4")]
    assert in_turns(messages) == [said("system", "s"), said("user", "1\n\n2\n\n3"), *rest, said("user", "4")]
    assert len(messages) == 8, "what was asked is as it was"
    odd = [said("user", "1"), said("user", [{"type": "text", "text": "2"}]), said("user", "3", name="ann")]
    assert in_turns(odd) == odd
    assert in_turns([]) == []


def test_an_engine_that_refuses_a_conversation_out_of_turn_is_told_one_in_turn() -> None:
    messages = [said("system", "s"), said("user", "1"), said("user", "2")]
    request = Request(messages=messages, max_tokens=20)
    with OpenAIServer([{"reply": {"text": "Well."}}]) as strict:
        answer = call(Endpoint(strict.url, "scripted", "", 60), request, deadline_s=60)
    assert (answer.text, answer.cut) == ("Well.", "")
    assert [json.loads(asked)["messages"] for asked in strict.asked] == [[said("system", "s"), said("user", "1\n\n2")]]
