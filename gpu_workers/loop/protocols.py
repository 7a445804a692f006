"""What the loop talks to: a model, an environment that carries out tool calls, and somebody who may forbid them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Message = dict[str, Any]
"""A chat message in the OpenAI form."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it; `parameters` is the JSON schema of its arguments.

    A `guided` one leaves only choices that are right in this place: a model needs to be told no more than its schema.
    One that `closes` hands the work in: where there is one, it is offered in the place of the loop's own way to end.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    guided: bool = False
    closes: bool = False


@dataclass(frozen=True, slots=True)
class Closing:
    """The tool that ends a loop. `strict`: its arguments have to pass its schema, and the last turn offers nothing else."""

    tool: ToolSpec
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model wants; `problem` says what was wrong when its arguments could not be read."""

    id: str
    name: str
    arguments: dict[str, Any]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ModelReply:
    """One answer of the model."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a tool call brought. `done` ends the loop: the tool has completed the work by itself.

    `state` names what the agent works on as it is afterwards, so that the same call on something else is another one.
    """

    ok: bool
    text: str
    done: bool = False
    state: str = ""


class Permission(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call may be carried out, and why not."""

    permission: Permission
    reason: str = ""


class Model(Protocol):
    """`key` names the call within the run: asking again under the same key gives the same answer."""

    @property
    def supports_tools(self) -> bool: ...

    def complete(
        self, key: str, messages: list[Message], tools: list[ToolSpec], schema: dict[str, Any] | None
    ) -> ModelReply: ...

    def note(self, key: str, messages: list[Message]) -> str:
        """A short free text, asked once per key like everything; "" when the model brings none."""
        ...


class Environment(Protocol):
    """Carries out calls; like the model, once per key."""

    def offered(self) -> list[ToolSpec]: ...

    def execute(self, key: str, call: ToolCall) -> Observation: ...


class Approver(Protocol):
    """Asked before each call; `key` names it within the run, as for the environment."""

    def decide(self, key: str, call: ToolCall) -> Verdict: ...


class Outcome(StrEnum):
    FINISHED = "finished"
    NEEDS_APPROVAL = "needs_approval"
    OUT_OF_STEPS = "out_of_steps"
    GOING_ROUND = "going_round"
    NO_ACTION = "no_action"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """`turns` model calls at most; `observation` in characters a result, `context` in bytes a prompt with its tools.

    The same call is a loop when it comes for the `repeats`th time in a row, or with the same result on the same state.
    """

    turns: int = 24
    observation: int = 6000
    context: int = 48_000
    repeats: int = 3
    silent: int = 2


@dataclass(frozen=True, slots=True)
class LoopResult:
    """How the loop ended. `call` is the one that ended it or that waits for approval, `key` its name; `reason` is in words."""

    outcome: Outcome
    summary: str = ""
    reason: str = ""
    turns: int = 0
    call: ToolCall | None = None
    key: str = ""
