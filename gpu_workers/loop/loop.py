"""An agent at work: ask the model, carry out what it calls, tell it what came of it, until it says that it is done."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from gpu_workers.loop.protocols import (
    Approver,
    Environment,
    LoopLimits,
    LoopResult,
    Message,
    Model,
    ModelReply,
    Observation,
    Outcome,
    Permission,
    ToolCall,
    ToolSpec,
    Verdict,
)
from guildhall.kernel.fencing import fenced

FINISH = ToolSpec(
    name="finish",
    description="Say that the work is done and what was changed.",
    parameters={
        "type": "object",
        "properties": {"summary": {"type": "string", "minLength": 1, "maxLength": 400}},
        "required": ["summary"],
        "additionalProperties": False,
    },
)
DROPPED = "[an older output was dropped to stay within the model's window]"
NUDGE = "Call one of the tools, or call finish when the work is done."


def run_loop(
    model: Model,
    environment: Environment,
    approver: Approver,
    messages: list[Message],
    *,
    prefix: str,
    limits: LoopLimits | None = None,
    stopped: Callable[[], str | None] = lambda: None,
) -> LoopResult:
    """Run until the model finishes, a limit is met, a call needs a person, or `stopped()` gives a reason.

    Deterministic in what model and environment answer: running it again with the same answers repeats it exactly, which
    is how a run goes on after a crash. `prefix` starts the keys under which they store their answers.
    """
    limits = limits or LoopLimits()
    talk = list(messages)
    seen: Counter[str] = Counter()
    silent, acted = 0, False
    for turn in range(1, limits.turns + 1):
        if reason := stopped():
            return LoopResult(Outcome.STOPPED, reason=reason, turns=turn - 1, messages=talk)
        reply = _ask(model, environment, _fitted(talk, limits.context), f"{prefix}.{turn}", acted)
        talk.append(_spoken(reply, model.supports_tools))
        if not reply.tool_calls:
            silent += 1
            if silent >= limits.silent:
                return LoopResult(Outcome.NO_ACTION, reason="it called no tool", turns=turn, messages=talk)
            talk.append({"role": "user", "content": NUDGE})
            continue
        silent = 0
        for index, call in enumerate(reply.tool_calls, 1):
            if call.name == FINISH.name and not call.problem:
                summary = str(call.arguments.get("summary", ""))
                return LoopResult(Outcome.FINISHED, summary=summary, turns=turn, messages=talk)
            seen[fingerprint := _fingerprint(call)] += 1
            if seen[fingerprint] >= limits.repeats:
                reason = f"it called {call.name} with the same input {limits.repeats} times"
                return LoopResult(Outcome.GOING_ROUND, reason=reason, turns=turn, messages=talk)
            key = f"{prefix}.{turn}.{index}"
            verdict = Verdict(Permission.ALLOW) if call.problem else approver.decide(key, call)
            if verdict.permission is Permission.ASK:
                asks, why = Outcome.NEEDS_APPROVAL, verdict.reason
                return LoopResult(asks, reason=why, turns=turn, call=call, key=key, messages=talk)
            observation = _carry_out(call, verdict, environment, key)
            talk.append(_observed(call, observation, limits.observation, model.supports_tools))
            acted = acted or observation.ok
            if observation.done:
                return LoopResult(Outcome.FINISHED, summary=observation.text[:400], turns=turn, messages=talk)
    return LoopResult(
        Outcome.OUT_OF_STEPS, reason=f"not done after {limits.turns} steps", turns=limits.turns, messages=talk
    )


def _ask(model: Model, environment: Environment, talk: list[Message], key: str, acted: bool) -> ModelReply:
    offered = environment.offered()
    if model.supports_tools:
        return model.complete(key, talk, [*offered, FINISH], None)
    # A model that needs its actions constrained takes the easy way out: it may finish once it has done something.
    tools = [*offered, FINISH] if acted or not offered else offered
    reply = model.complete(key, talk, [], action_schema(tools))
    return ModelReply(text=reply.text, tool_calls=(_parsed(reply.text, key),), finish_reason=reply.finish_reason)


def action_schema(tools: list[ToolSpec]) -> dict[str, Any]:
    """The constrained action format of models without tool calls: `{"tool": name, "arguments": {…}}`, one of `tools`."""
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {"tool": {"const": tool.name}, "arguments": tool.parameters},
                "required": ["tool", "arguments"],
                "additionalProperties": False,
            }
            for tool in tools
        ]
    }


def _parsed(text: str, key: str) -> ToolCall:
    try:
        action = json.loads(text)
        return ToolCall(id=key, name=str(action["tool"]), arguments=dict(action["arguments"]))
    except (ValueError, KeyError, TypeError):
        return ToolCall(id=key, name="", arguments={}, problem="the answer is not an action in the agreed JSON form")


def _carry_out(call: ToolCall, verdict: Verdict, environment: Environment, key: str) -> Observation:
    """What the call brought, or why it is not carried out."""
    if call.problem:
        return Observation(ok=False, text=f"Not carried out: {call.problem}.")
    if verdict.permission is Permission.DENY:
        return Observation(ok=False, text=f"Refused: {verdict.reason}")
    return environment.execute(key, call)


def _spoken(reply: ModelReply, native: bool) -> Message:
    message: Message = {"role": "assistant", "content": reply.text or None}
    if native and reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, sort_keys=True)},
            }
            for call in reply.tool_calls
        ]
    return message


def _observed(call: ToolCall, observation: Observation, limit: int, native: bool) -> Message:
    text = observation.text if len(observation.text) <= limit else observation.text[:limit] + "\n[cut]"
    said = fenced(call.name or "action", text, ok=observation.ok)
    if native:
        return {"role": "tool", "tool_call_id": call.id, "content": said}
    return {"role": "user", "content": said}


def _fingerprint(call: ToolCall) -> str:
    return f"{call.name} {json.dumps(call.arguments, sort_keys=True)}"


def _fitted(talk: list[Message], limit: int) -> list[Message]:
    """The conversation with its oldest outputs left out until it fits `limit` characters."""
    size = sum(len(str(message)) for message in talk)
    fitted = []
    for index, message in enumerate(talk):
        old = index < len(talk) - 2
        if size > limit and old and str(message.get("content", "")).startswith("<data"):
            size -= len(str(message["content"])) - len(DROPPED)
            fitted.append({**message, "content": DROPPED})
        else:
            fitted.append(message)
    return fitted
