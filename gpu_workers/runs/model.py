"""The gateway as the loop's model: every call is a step of the run, answered and charged once."""

import threading
from dataclasses import asdict, dataclass, replace
from typing import Any

from gateway.calls import Completion, ModelCall
from gateway.chat import CANCELLED, Request
from gateway.clean import clean_request
from gateway.completion import charge, complete
from gateway.routing import Needs, first_of
from governance.scopes import Scope
from governance.selectors.money import paid_call
from gpu_workers.actions.runs import StepResult
from gpu_workers.loop import LoopLimits, ModelReply, ToolCall, ToolSpec
from gpu_workers.models.run import Phase
from gpu_workers.runs.journal import Attempt, Journal
from gpu_workers.runs.masking import masked_message
from gpu_workers.runs.watch import Watch
from guildhall.kernel.errors import Conflict, TooLarge, Unavailable
from guildhall.kernel.texts import Unreadable, read_json

MOST_STOPS = 100
LEAST_ANSWER, MOST_ANSWER = 700, 4096
"""Tokens of an answer that acts: it may hold a whole file, where the window is large enough for that."""
NOTE_TOKENS = 300
BYTES_PER_TOKEN = 3
"""Fewer than the gateway takes: a prompt that is built to fit shall fit also where code makes more tokens of itself."""
MOST_TOLD, MOST_OBSERVED = 48_000, 6000
PREPARE = "prepare"
"""The step of a run that keeps what its model can do."""


class CallCut(Unavailable):
    """The model's answer was cut off before it was whole; `completion` is what there is of it."""

    def __init__(self, completion: Completion) -> None:
        super().__init__(f"The answer of {completion.model} was cut off: {completion.cut}.", route=completion.route)
        self.completion = completion


class NotTrusted(Exception):
    """The answer came from a model whose verdicts do not count; the message says which."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose money a run spends: the owner that the ledger names, and every scope whose limits apply."""

    owner: str
    scopes: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """What the model of a run can do, as the run found it when it began: a run that goes on does so in the same form.

    `window` is in tokens; a model is `able` when it may be trusted with free text, such as notes of its own.
    """

    window: int
    tools: bool
    schema: bool
    able: bool

    @property
    def answer_tokens(self) -> int:
        """How long an answer may be that acts: a part of the window, and no more than a quarter of a small one."""
        return min(max(LEAST_ANSWER, self.window // 12), MOST_ANSWER, self.window // 4)

    @property
    def room(self) -> int:
        """What a prompt with its tools may take beside such an answer, in bytes."""
        return min((self.window - self.answer_tokens) * BYTES_PER_TOKEN, MOST_TOLD)

    def limits(self, repeats: int) -> LoopLimits:
        """Of a loop in which the model decides for itself."""
        observation = min(MOST_OBSERVED, self.room // 5)
        return LoopLimits(repeats=repeats, observation=observation, context=self.room)

    def led_limits(self, repeats: int) -> LoopLimits:
        """Of a loop in which a small model is led step by step."""
        return LoopLimits(turns=4, repeats=repeats, observation=1500, context=min(4000, self.room))


class RunModel:
    """Asks the agent's route on the run's account. `cancel` closes a call that is going on.

    Of a route's models those alone are asked that can do what the run has found its model to do: where they are away, the
    run rests. With `judging`, none whose verdicts do not count.
    """

    def __init__(self, journal: Journal, route: str, account: Account, cancel: threading.Event) -> None:
        self._journal = journal
        self._route = route
        self._account = account
        self._cancel = cancel
        self.phase = Phase.PLANNER
        self.judging = False
        self._head: Head | None = None

    @property
    def head(self) -> Head:
        """What the model can do: as it was given, else as the deployment can that owners rank first on the route."""
        if self._head is None:
            first = first_of(self._route)
            able = first.supports_tools or first.may_judge
            self._head = Head(first.context_tokens, first.supports_tools, first.supports_schema, able)
        return self._head

    @head.setter
    def head(self, found: Head) -> None:
        self._head = found

    def keep_head(self) -> Head:
        """Keep what the model can do with the run: a worker that takes it over asks in the same form."""

        def do(_: Attempt) -> StepResult:
            return StepResult({"head": asdict(self.head)})

        title = "See what the model can do"
        found = self._journal.step(PREPARE, kind="note", phase=Phase.PLANNER, title=title, request={}, do=do)
        self.head = Head(**found["head"])
        return self.head

    @property
    def supports_tools(self) -> bool:
        return self.head.tools

    def complete(
        self, key: str, messages: list[dict[str, Any]], tools: list[ToolSpec], schema: dict[str, Any] | None
    ) -> ModelReply:
        """The loop's question. Raises what `gateway.complete` raises, `CallCut`, and `NotTrusted` where it is to judge."""
        functions = [{"name": t.name, "description": t.description, "parameters": t.parameters} for t in tools]
        request = Request(
            messages=messages,
            tools=functions,
            schema=schema if self.head.schema else None,
            schema_name="action",
            max_tokens=self.head.answer_tokens,
        )
        completion = self.ask(key, request, "Ask the model what to do next", tools=self.head.tools)
        if self.judging and not completion.may_judge:
            raise NotTrusted(f"{completion.model} answered, whose verdicts do not count.")
        calls = tuple(_call(number, raw, key) for number, raw in enumerate(completion.tool_calls))
        if completion.finish_reason == "length":
            hint = "; the answer was cut at its greatest length, so do less at once"
            calls = tuple(replace(one, problem=one.problem + hint) if one.problem else one for one in calls)
        return ModelReply(text=completion.text, tool_calls=calls, finish_reason=completion.finish_reason)

    def note(self, key: str, messages: list[dict[str, Any]]) -> str:
        """The model's own summary of older steps, a paid step of the run; "" where it brings none."""
        request = Request(messages=messages, max_tokens=min(NOTE_TOKENS, self.head.window // 8))
        try:
            return self.ask(key, request, "Sum up older steps", tools=self.head.tools, content_with_cut=True).text
        except TooLarge:
            return ""
        except CallCut as cut:
            if cut.completion.cut == CANCELLED:
                raise
            return ""

    def ask(
        self, key: str, request: Request, title: str, *, tools: bool = False, content_with_cut: bool = False
    ) -> Completion:
        """One journaled call; a repeated key answers from the journal and charges nothing.

        With `tools` it is part of a talk with a model that makes tool calls, whether this one offers any or not.
        An answer that was cut off, because the run was stopped or its engine broke, is a step of its own, paid for; the
        question is asked again in the step after it. A caller that is `content_with_cut` goes on without the answer, and
        its question is asked again only where the run was stopped.
        """
        key = self._next(key, content_with_cut)
        request = self._screened(request)
        note = {"route": self._route, "messages": request.messages, "schema": request.schema}
        stored = self._journal.step(
            key,
            kind="model",
            phase=self.phase,
            title=title,
            request=note,
            do=lambda attempt: self._do(attempt, key, request, tools),
        )
        completion = Completion.from_dict(stored)
        if completion.cut:
            raise CallCut(completion)
        return completion

    def _screened(self, request: Request) -> Request:
        """The request as it may be sent and kept: without secrets and what the policy's patterns find in prompts."""
        watch = Watch(self._journal.run, self._journal.actor)
        clean = clean_request(request)

        def masked(text: str) -> str:
            return watch.masked(text, "prompt")

        return replace(clean, messages=[masked_message(message, masked) for message in clean.messages])

    def _next(self, key: str, content_with_cut: bool) -> str:
        """The step in which the question is open: `key`, `key~2` and so on."""
        for number in range(1, MOST_STOPS):
            name = f"{key}~{number}" if number > 1 else key
            stored = self._journal.finished(name)
            if stored is None and self._journal.begun(name) and (paid := paid_call(self._call_key(name))):
                stored = {"cut": CANCELLED}
                spent = StepResult(stored, False, paid.tokens_in, paid.tokens_out, paid.spent_delta)
                self._journal.close(name, spent)
            cut = (stored or {}).get("cut")
            if not cut or (content_with_cut and cut != CANCELLED):
                return name
        raise Conflict(f"This question was cut off {MOST_STOPS} times.")

    def _call_key(self, step: str) -> str:
        return f"run:{self._journal.run.number}:{step}"

    def _do(self, attempt: Attempt, key: str, request: Request, tools: bool) -> StepResult:
        if attempt.kept is not None:
            completion = Completion.from_dict(attempt.kept)
            charge(actor=self._journal.actor, completion=completion)
        else:
            completion = complete(
                actor=self._journal.actor,
                model_call=ModelCall(
                    route=self._route,
                    key=self._call_key(key),
                    owner=self._account.owner,
                    request=request,
                    scopes=self._account.scopes,
                    needs=Needs(tools, schema=request.schema is not None and self.head.schema, judging=self.judging),
                ),
                cancel=self._cancel,
                on_answer=lambda answer: attempt.keep(answer.as_dict()),
            )
        return result_of(completion)


def result_of(completion: Completion) -> StepResult:
    """An answer as the result of its step."""
    return StepResult(
        response=completion.as_dict(),
        ok=not completion.cut,
        tokens_in=completion.tokens_in,
        tokens_out=completion.tokens_out,
        cost=completion.cost,
    )


def _call(number: int, raw: dict[str, Any], key: str) -> ToolCall:
    identity = raw.get("id") or f"{key}-{number}"
    try:
        arguments = read_json(raw.get("arguments") or "{}")
    except Unreadable as error:
        return ToolCall(identity, raw.get("name", ""), {}, problem=f"its arguments cannot be read: {error}")
    if not isinstance(arguments, dict):
        return ToolCall(identity, raw.get("name", ""), {}, problem="its arguments are not a JSON object")
    return ToolCall(identity, raw.get("name", ""), arguments)
