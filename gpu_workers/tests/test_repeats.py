"""When an agent goes round, and when it does not; and what of a conversation is masked."""

import json

import pytest

from gpu_workers.loop import Observation, ToolCall
from gpu_workers.loop.repeats import Repeats
from gpu_workers.runs.masking import masked_message

pytestmark = pytest.mark.unit
RED = "1 failed"
Step = tuple[str, str, str]
"""A call, what it brought, and the workspace after it."""


@pytest.mark.parametrize(
    ("steps", "counted"),
    [
        ([("test", RED, "a")] * 3, 3),
        ([("test", "1 failed in 1 s", "a"), ("test", "1 failed in 2 s", "b"), ("test", "1 failed in 3 s", "c")], 3),
        ([("edit 1", "ok", "a"), ("test", RED, "a"), ("edit 2", "ok", "b"), ("test", RED, "b"), ("test", RED, "c")], 2),
        ([(f"edit {n}", "ok", f"{n}") if half else ("test", RED, f"{n}") for n in range(5) for half in (1, 0)], 1),
        ([("read a", "x", ""), ("read b", "y", "")] * 2 + [("read a", "x", "")], 3),
        (
            [
                ("read a", "x", ""),
                ("edit", "ok", "1"),
                ("read a", "z", "1"),
                ("edit back", "ok", "2"),
                ("read a", "x", "2"),
            ],
            1,
        ),
        ([("set 1", "ok", "1"), ("test", RED, "1"), ("set 2", "ok", "2"), ("test", RED, "2")] * 3, 3),
    ],
)
def test_the_same_call_counts_in_a_row_or_where_nothing_came_of_it(steps: list[Step], counted: int) -> None:
    repeats = Repeats()
    found = [
        repeats.count(ToolCall(f"c{n}", name, {}), Observation(True, text, state=state))
        for n, (name, text, state) in enumerate(steps)
    ]
    assert max(found) == counted


def test_patterns_are_taken_out_of_earlier_calls_too_and_arguments_stay_json() -> None:
    arguments = {"path": "a", "content": ["is CUST-1", {"CUST-2": 3}]}
    calls = [{"id": "c", "type": "function", "function": {"name": "write_file", "arguments": json.dumps(arguments)}}]
    message = {"role": "assistant", "content": "CUST-4", "tool_calls": calls}
    masked = masked_message(message, lambda text: text.replace("CUST-", "#"))
    kept = json.loads(masked["tool_calls"][0]["function"]["arguments"])
    assert (masked["content"], kept) == ("#4", {"path": "a", "content": ["is #1", {"#2": 3}]})
    spanning = masked_message(message, lambda text: "#" if "path" in text and "CUST" in text else text)
    assert json.loads(spanning["tool_calls"][0]["function"]["arguments"]) == {"arguments": "#"}
    assert masked["tool_calls"][0]["id"] == "c"
    broken = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "x", "arguments": "{CUST-1"}}]}
    text = masked_message(broken, lambda text: text.replace("CUST-", "#"))["tool_calls"][0]["function"]["arguments"]
    assert text == "{#1"
