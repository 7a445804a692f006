"""The loop's core, without a database: the two forms of acting, and what is told again when a window is small."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_workers.loop import (
    LoopLimits,
    ModelReply,
    Observation,
    Outcome,
    Permission,
    ToolCall,
    ToolSpec,
    Verdict,
    run_loop,
)
from gpu_workers.loop.actions import action_of, action_schema
from gpu_workers.loop.memory import Memory, Result, Turn, size_of

pytestmark = pytest.mark.unit
TASK = [
    {"role": "system", "content": "You are a developer."},
    {"role": "user", "content": "The task: PINNED-FACT 800 pence."},
]
WORDS = st.text(alphabet='abc <>"\\\né\U0001f600', max_size=60)
TEXTS = st.tuples(WORDS, st.integers(1, 120)).map(lambda parts: parts[0] * parts[1])
CALLS = st.lists(TEXTS, min_size=1, max_size=3)
READ = ToolSpec("read_file", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})


def turn_of(number: int, texts: list[str], argument: str) -> Turn:
    calls = [ToolCall(f"c{number}-{index}", "read_file", {"path": argument}) for index in range(len(texts))]
    results = [
        Result(f"executor.{number}.{index}", call, True, text)
        for index, (call, text) in enumerate(zip(calls, texts, strict=True), 1)
    ]
    return Turn(ModelReply(tool_calls=tuple(calls)), tuple(results))


def told(messages: list[dict[str, Any]]) -> int:
    return sum(size_of(message) for message in messages)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(CALLS, TEXTS), min_size=1, max_size=8), st.integers(3000, 20_000), st.booleans(), st.booleans()
)
def test_a_prompt_always_fits_and_keeps_the_task_and_the_newest_results(
    turns: list[tuple[list[str], str]], room: int, native: bool, notes: bool
) -> None:
    memory = Memory(TASK, room=room, observation=room // 5, native=native)
    for number, (texts, argument) in enumerate(turns, 1):
        memory.add(turn := turn_of(number, texts, argument))
        if old := memory.outgrown(400):
            assert told(memory.asking_notes(old, "Write it down.")) <= room
            memory.put_away(old, f"fact {number}" if notes else "")
        prompt = memory.prompt(400)
        assert told(prompt) <= room - 400
        assert prompt[:2] == TASK
        ids = [call["id"] for message in prompt for call in message.get("tool_calls", ())]
        assert ids == [message["tool_call_id"] for message in prompt if message["role"] == "tool"], "no result alone"
        newest = sum(size_of(result.text) for result in turn.results) + size_of(argument) * len(texts)
        if all(len(result.text) <= room // 5 for result in turn.results) and newest * 2 + 2500 < room - 400:
            tail = prompt[-len(texts) :]
            assert not any("[cut; read_step" in str(message["content"]) for message in tail)


@given(TEXTS)
def test_what_was_put_away_is_named_by_step_and_hash_and_can_be_read_again(text: str) -> None:
    memory = Memory(TASK, room=9000, observation=50, native=True)
    memory.add(first := turn_of(1, [text], "till/basket.py"))
    memory.add(turn_of(2, ["short"], "ci.py"))
    memory.put_away([first], "VAT is rounded once")
    earlier = memory.prompt(0)[2]["content"]
    result = first.results[0]
    assert all(part in earlier for part in ("executor.1.1", "till/basket.py", result.sha, "VAT is rounded once"))
    for start in range(0, len(text), 50):
        assert (memory.read("executor.1.1", start) or "").startswith(text[start : start + 50])
    assert memory.read("executor.9.1", 0) is None


def test_an_action_is_read_out_of_what_surrounds_it_and_grammars_get_no_endless_repetition() -> None:
    said = '```json\n{"tool": "read_file", "arguments": {"path": "a"}}\n```'
    assert action_of(ModelReply(said), "k") == ToolCall("k", "read_file", {"path": "a"})
    cut = action_of(ModelReply('{"tool": "write_file", "arg', finish_reason="length"), "k")
    assert "do less at once" in cut.problem
    for unfit in ('"\\u0000"', '"\\ud800"', "[" * 50 + "]" * 50, "1e999"):
        call = action_of(ModelReply(f'{{"tool": "read_file", "arguments": {{"path": {unfit}}}}}'), "k")
        assert (bool(call.problem), call.arguments) == (True, {}), "no database could keep it"
    long = ToolSpec("write_file", "", {"type": "object", "properties": {"maxLength": {"maxLength": 10**6}}})
    assert action_schema([long])["anyOf"][0]["properties"]["arguments"]["properties"] == {"maxLength": {}}


@dataclass
class Stored:
    """A run's stored steps, and a worker that dies once `lives` further ones are stored."""

    native: bool
    steps: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    lives: int = 10**6

    @property
    def supports_tools(self) -> bool:
        return self.native

    def offered(self) -> list[ToolSpec]:
        return [READ]

    def decide(self, key: str, call: ToolCall) -> Verdict:
        return Verdict(Permission.ALLOW)

    def complete(
        self, key: str, messages: list[dict[str, Any]], tools: list[ToolSpec], schema: dict[str, Any] | None
    ) -> ModelReply:
        assert (schema is None) is self.native
        self._once(f"ask {key}", messages)
        number = int(key.rpartition(".")[2])
        name, arguments = "read_file", {"path": f"file-{number}"}
        if number == 9:
            name, arguments = "read_step", {"step": "executor.1.1"}
        if number == 10:
            name, arguments = "finish", {"summary": "done"}
        if self.native:
            return ModelReply(tool_calls=(ToolCall(f"c{number}", name, arguments),))
        return ModelReply(json.dumps({"tool": name, "arguments": arguments}))

    def note(self, key: str, messages: list[dict[str, Any]]) -> str:
        self._once(f"note {key}", messages)
        return f"noted in {key}"

    def execute(self, key: str, call: ToolCall) -> Observation:
        self._once(f"do {key}", call.arguments)
        return Observation(True, f"{call.arguments['path']} holds " + "line\n" * 60)

    def _once(self, key: str, request: Any) -> None:
        assert self.asked.setdefault(key, request) == request, f"{key} is asked otherwise after a crash"
        if key not in self.steps:
            if not self.lives:
                raise KeyboardInterrupt
            self.lives -= 1
            self.steps[key] = True


@pytest.mark.parametrize("native", [True, False])
def test_a_loop_that_goes_on_after_any_crash_tells_the_same(native: bool) -> None:
    limits = LoopLimits(context=2600, observation=800)
    straight = Stored(native)
    result = run_loop(straight, straight, straight, TASK, prefix="executor", limits=limits, noting="Sum up.")
    assert (result.outcome, result.summary) == (Outcome.FINISHED, "done")
    assert [key for key in straight.steps if key.startswith("note")], "older steps were summed up"
    last = straight.asked["ask executor.10"]
    assert "file-1 holds" in str(last[-1]["content"]), "what was put away is read again"
    assert "PINNED-FACT" in str(last)
    mortal = Stored(native, lives=1)
    while True:
        try:
            run_loop(mortal, mortal, mortal, TASK, prefix="executor", limits=limits, noting="Sum up.")
            break
        except KeyboardInterrupt:
            mortal.lives = 1
    assert mortal.asked == straight.asked
