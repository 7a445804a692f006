"""An agent at work: ask the model, carry out what it calls, tell it what came of it, until it says that it is done."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from gpu_workers.loop.actions import action_form, action_of, action_schema
from gpu_workers.loop.builtin import FINISH, NUDGE, READ_STEP
from gpu_workers.loop.memory import Memory, Result, Turn, size_of
from gpu_workers.loop.protocols import (
    Approver,
    Closing,
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
    closing: Closing = FINISH,
) -> LoopResult:
    """Run until the model finishes, a limit is met, a call needs a person, or `stopped()` gives a reason.

    Deterministic in what model and environment answer: running it again with the same answers repeats it exactly, which
    is how a run goes on after a crash. `prefix` starts the keys under which they store their answers. `messages` are the
    task and are told in every prompt. With `noting`, an instruction, the model sums up what has to be put away for room.
    `closing` is what the model calls when it is done; where the environment offers a tool that closes, that one is offered
    in its place, and what an earlier prompt or turn taught the model still ends the loop.
    """
    limits = limits or LoopLimits()
    native = model.supports_tools
    memory = Memory(messages, room=limits.context, observation=limits.observation, native=native)
    return _Loop(model, environment, approver, prefix, limits, memory, noting, closing).run(stopped)


@dataclass
class _Loop:
    model: Model
    environment: Environment
    approver: Approver
    prefix: str
    limits: LoopLimits
    memory: Memory
    noting: str
    closing: Closing
    repeats: Repeats = field(default_factory=Repeats)
    acted: bool = False
    end: str = ""
    """The tool that was offered last to end with."""

    def run(self, stopped: Callable[[], str | None]) -> LoopResult:
        silent = 0
        for turn in range(1, self.limits.turns + 1):
            if reason := stopped():
                return LoopResult(Outcome.STOPPED, reason=reason, turns=turn - 1)
            last = self.closing.strict and (turn == self.limits.turns or silent >= self.limits.silent)
            reply = self._ask(f"{self.prefix}.{turn}", last)
            if last:
                return self._closed(turn, reply)
            if not reply.tool_calls:
                silent += 1
                if silent >= self.limits.silent and not self.closing.strict:
                    return LoopResult(Outcome.NO_ACTION, reason="it called no tool", turns=turn)
                self.memory.add(Turn(reply, nudge=NUDGE.format(self.end)))
                continue
            silent = 0
            if ended := self._act(turn, reply):
                return ended
        turns = self.limits.turns
        return LoopResult(Outcome.OUT_OF_STEPS, reason=f"not done after {turns} steps", turns=turns)

    def _ask(self, key: str, last: bool) -> ModelReply:
        offered = [] if last else self.environment.offered()
        led = bool(offered) and all(tool.guided for tool in offered)
        extra = [READ_STEP] if self.memory.has_receipts and not led and not last else []
        end = next((tool for tool in offered if tool.closes), self.closing.tool)
        tools = [*(tool for tool in offered if not tool.closes), *extra, end]
        self.end = end.name
        if self.model.supports_tools and not last:
            return self.model.complete(key, self._told(key, [_listed(tool) for tool in tools]), tools, None)
        # A model that needs its actions constrained takes the easy way out: it may finish once it has done something.
        tools = tools if self.acted or len(tools) == 1 else tools[:-1]
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
            key = f"{self.prefix}.{turn}.{index}"
            if call.name == self.closing.tool.name and not call.problem:
                call = self._checked(call)
                if not call.problem:
                    summary = str(call.arguments.get("summary", ""))
                    return LoopResult(Outcome.FINISHED, summary=summary, turns=turn, call=call, key=key)
            if call.name == READ_STEP.name and not call.problem:
                observation = self._again(call)
            else:
                verdict = Verdict(Permission.ALLOW) if call.problem else self.approver.decide(key, call)
                if verdict.permission is Permission.ASK:
                    return LoopResult(Outcome.NEEDS_APPROVAL, reason=verdict.reason, turns=turn, call=call, key=key)
                observation = self._carry_out(key, call, verdict)
                # To judge, a look that failed is a look as well.
                self.acted = self.acted or observation.ok or (self.closing.strict and not call.problem)
            results.append(Result(key, call, observation.ok, observation.text))
            if observation.done:
                return LoopResult(Outcome.FINISHED, summary=observation.text[:400], turns=turn, call=call, key=key)
            if self.repeats.count(call, observation) >= self.limits.repeats:
                reason = f"it called {call.name} with the same input {self.limits.repeats} times"
                return LoopResult(Outcome.GOING_ROUND, reason=reason, turns=turn)
        self.memory.add(Turn(reply, tuple(results)))
        return None

    def _closed(self, turn: int, reply: ModelReply) -> LoopResult:
        """How the loop ends with an answer to which nothing was offered but to close."""
        wanted, key = self.closing.tool.name, f"{self.prefix}.{turn}.1"
        for call in reply.tool_calls[:1]:
            if call.name == wanted and not call.problem and not self._checked(call).problem:
                return LoopResult(Outcome.FINISHED, turns=turn, call=call, key=key)
        return LoopResult(Outcome.NO_ACTION, reason=f"it ended without {wanted}", turns=turn)

    def _checked(self, call: ToolCall) -> ToolCall:
        """The closing call, with what is wrong with its arguments where that matters."""
        if not self.closing.strict:
            return call
        wrong = best_match(Draft202012Validator(self.closing.tool.parameters).iter_errors(call.arguments))
        return replace(call, problem=f"its arguments were not accepted: {wrong.message[:300]}") if wrong else call

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
