"""How a loop that has to end with a certain answer gets it: from models that call tools, from others, and from silent ones."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

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
from gpu_workers.runs.examining import VERDICT

pytestmark = pytest.mark.unit
TASK = [{"role": "system", "content": "You judge."}, {"role": "user", "content": "A change."}]
READ = ToolSpec("read_file", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})
GOOD = {"verdict": "reject", "feedback": "The rate is wrong in basket.py."}
Said = tuple[str, dict[str, Any]] | None
LOOK: Said = ("read_file", {"path": "a"})


@dataclass
class Judge:
    """Says one thing after the other, the last one for ever; None is an answer without a call. Its looks fail."""

    native: bool
    says: list[Said]
    offers: list[list[str]] = field(default_factory=list)
    talks: list[list[dict[str, Any]]] = field(default_factory=list)

    @property
    def supports_tools(self) -> bool:
        return self.native

    def complete(
        self, key: str, messages: list[dict[str, Any]], tools: list[ToolSpec], schema: dict[str, Any] | None
    ) -> ModelReply:
        self.talks.append(messages)
        constrained = [one["properties"]["tool"]["const"] for one in (schema or {}).get("anyOf", [])]
        self.offers.append(constrained or [tool.name for tool in tools])
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if said is None:
            return ModelReply("I think so.")
        if tools:
            return ModelReply(tool_calls=(ToolCall(key, *said),))
        return ModelReply(json.dumps({"tool": said[0], "arguments": said[1]}))

    def note(self, key: str, messages: list[dict[str, Any]]) -> str:
        return ""

    def offered(self) -> list[ToolSpec]:
        return [READ]

    def execute(self, key: str, call: ToolCall) -> Observation:
        return Observation(False, f"no such file, {key}")

    def decide(self, key: str, call: ToolCall) -> Verdict:
        return Verdict(Permission.ALLOW)


def looks(count: int) -> list[Said]:
    return [("read_file", {"path": f"{number}"}) for number in range(count)]


@pytest.mark.parametrize("native", [True, False])
def test_the_last_turn_offers_nothing_but_the_end(native: bool) -> None:
    judge = Judge(native, [*looks(3), ("give_verdict", GOOD)])
    result = run_loop(judge, judge, judge, TASK, prefix="judge", limits=LoopLimits(turns=4), closing=VERDICT)
    assert result.outcome is Outcome.FINISHED
    assert (result.call.name, result.call.arguments) == ("give_verdict", GOOD) if result.call else None
    assert judge.offers[1:] == [["read_file", "give_verdict"]] * 2 + [["give_verdict"]]
    assert judge.offers[0] == (["read_file", "give_verdict"] if native else ["read_file"]), (
        "who is constrained looks first"
    )
    assert "give_verdict" in judge.talks[-1][0]["content"], "it is told in which form to answer"
    assert "no such file, judge.3.1" in str(judge.talks[-1]), "with all that it has seen"


@pytest.mark.parametrize("native", [True, False])
def test_an_end_that_its_schema_refuses_is_told_so_and_asked_again(native: bool) -> None:
    judge = Judge(native, [LOOK, ("give_verdict", {"verdict": "reject", "feedback": "no"}), ("give_verdict", GOOD)])
    result = run_loop(judge, judge, judge, TASK, prefix="judge", closing=VERDICT)
    assert (result.outcome, result.turns) == (Outcome.FINISHED, 3)
    assert result.call is not None
    assert result.call.arguments == GOOD
    assert "'no' is too short" in str(judge.talks[-1][-1]["content"])


def test_who_calls_nothing_is_asked_for_the_end_alone() -> None:
    judge = Judge(True, [None, None, ("give_verdict", GOOD)])
    result = run_loop(judge, judge, judge, TASK, prefix="judge", closing=VERDICT)
    assert (result.outcome, judge.offers[-1]) == (Outcome.FINISHED, ["give_verdict"])
    assert "or call give_verdict" in judge.talks[1][-1]["content"]


@pytest.mark.parametrize("last", [None, LOOK, ("give_verdict", {"verdict": "perhaps"})])
def test_without_the_end_there_is_no_result(last: Said) -> None:
    judge = Judge(True, [*looks(2), last])
    result = run_loop(judge, judge, judge, TASK, prefix="judge", limits=LoopLimits(turns=3), closing=VERDICT)
    assert (result.outcome, result.reason, result.call) == (Outcome.NO_ACTION, "it ended without give_verdict", None)
