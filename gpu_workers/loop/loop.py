"""An agent at work: ask the model, carry out what it calls, tell it what came of it, until it says that it is done."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gpu_workers.loop.actions import action_form, action_of, action_schema
from gpu_workers.loop.memory import Memory, Result, Turn, size_of
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
from gpu_workers.loop.repeats import Repeats

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
READ_STEP = ToolSpec(
    name="read_step",
    description="Read again what came of an earlier step of yours, from a character on (the first is 0).",
    parameters={
        "type": "object",
        "properties": {
            "step": {"type": "string", "minLength": 1, "maxLength": 120},
            "first": {"type": "integer", "minimum": 0},
        },
        "required": ["step"],
        "additionalProperties": False,
    },
)
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
    noting: str = "",
) -> LoopResult:
    """Run until the model finishes, a limit is met, a call needs a person, or `stopped()` gives a reason.

    Deterministic in what model and environment answer: running it again with the same answers repeats it exactly, which
    is how a run goes on after a crash. `prefix` starts the keys under which they store their answers. `messages` are the
    task and are told in every prompt. With `noting`, an instruction, the model sums up what has to be put away for room.
    """
    limits = limits or LoopLimits()
    native = model.supports_tools
    memory = Memory(messages, room=limits.context, observation=limits.observation, native=native)
    return _Loop(model, environment, approver, prefix, limits, memory, noting).run(stopped)


@dataclass
class _Loop:
    model: Model
    environment: Environment
    approver: Approver
    prefix: str
    limits: LoopLimits
    memory: Memory
    noting: str
    repeats: Repeats = field(default_factory=Repeats)
    acted: bool = False

    def run(self, stopped: Callable[[], str | None]) -> LoopResult:
        silent = 0
        for turn in range(1, self.limits.turns + 1):
            if reason := stopped():
                return LoopResult(Outcome.STOPPED, reason=reason, turns=turn - 1)
            reply = self._ask(f"{self.prefix}.{turn}")
            if not reply.tool_calls:
                silent += 1
                if silent >= self.limits.silent:
                    return LoopResult(Outcome.NO_ACTION, reason="it called no tool", turns=turn)
                self.memory.add(Turn(reply, nudge=NUDGE))
                continue
            silent = 0
            if ended := self._act(turn, reply):
                return ended
        turns = self.limits.turns
        return LoopResult(Outcome.OUT_OF_STEPS, reason=f"not done after {turns} steps", turns=turns)

    def _ask(self, key: str) -> ModelReply:
        offered = self.environment.offered()
        led = bool(offered) and all(tool.guided for tool in offered)
        extra = [READ_STEP] if self.memory.has_receipts and not led else []
        if self.model.supports_tools:
            tools = [*offered, *extra, FINISH]
            return self.model.complete(key, self._told(key, [_listed(tool) for tool in tools]), tools, None)
        # A model that needs its actions constrained takes the easy way out: it may finish once it has done something.
        tools = [*offered, *extra, FINISH] if self.acted or not offered else [*offered, *extra]
        form = "" if led else action_form(tools)
        talk = self._told(key, form)
        if form:
            talk = [{**talk[0], "content": f"{talk[0]['content']}\n\n{form}"}, *talk[1:]]
        reply = self.model.complete(key, talk, [], action_schema(tools))
        return ModelReply(reply.text, (action_of(reply, key),), reply.finish_reason)

    def _told(self, key: str, offered: object) -> list[Message]:
        """The conversation as it fits beside what the tools take."""
        taken = size_of(offered)
        if old := self.memory.outgrown(taken):
            ask = self.memory.asking_notes(old, self.noting) if self.noting else []
            self.memory.put_away(old, self.model.note(f"{key}.notes", ask) if ask else "")
        return self.memory.prompt(taken)

    def _act(self, turn: int, reply: ModelReply) -> LoopResult | None:
        """Carry out what an answer calls; how the loop ends, if it does."""
        results: list[Result] = []
        for index, call in enumerate(reply.tool_calls, 1):
            if call.name == FINISH.name and not call.problem:
                summary = str(call.arguments.get("summary", ""))
                return LoopResult(Outcome.FINISHED, summary=summary, turns=turn)
            key = f"{self.prefix}.{turn}.{index}"
            if call.name == READ_STEP.name and not call.problem:
                observation = self._again(call)
            else:
                verdict = Verdict(Permission.ALLOW) if call.problem else self.approver.decide(key, call)
                if verdict.permission is Permission.ASK:
                    return LoopResult(Outcome.NEEDS_APPROVAL, reason=verdict.reason, turns=turn, call=call, key=key)
                observation = self._carry_out(key, call, verdict)
                self.acted = self.acted or observation.ok
            results.append(Result(key, call, observation.ok, observation.text))
            if observation.done:
                return LoopResult(Outcome.FINISHED, summary=observation.text[:400], turns=turn)
            if self.repeats.count(call, observation) >= self.limits.repeats:
                reason = f"it called {call.name} with the same input {self.limits.repeats} times"
                return LoopResult(Outcome.GOING_ROUND, reason=reason, turns=turn)
        self.memory.add(Turn(reply, tuple(results)))
        return None

    def _carry_out(self, key: str, call: ToolCall, verdict: Verdict) -> Observation:
        """What the call brought, or why it is not carried out."""
        if call.problem:
            return Observation(ok=False, text=f"Not carried out: {call.problem}.")
        if verdict.permission is Permission.DENY:
            return Observation(ok=False, text=f"Refused: {verdict.reason}")
        return self.environment.execute(key, call)

    def _again(self, call: ToolCall) -> Observation:
        """What an earlier step brought: of what is stored already, so that it is no step of its own."""
        step, first = call.arguments.get("step"), call.arguments.get("first", 0)
        text = None
        if isinstance(step, str) and isinstance(first, int) and first >= 0:
            text = self.memory.read(step, first)
        return Observation(text is not None, "There is no such step." if text is None else text)


def _listed(tool: ToolSpec) -> dict[str, object]:
    """A tool as it is printed into a prompt."""
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
