"""A chat completion as it is asked for, and as it came back. No Django."""

import json
import math
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from guildhall.kernel.texts import storable

CANCELLED = "cancelled"
"""Why an answer is cut that nobody waits for any more."""


@dataclass(frozen=True, slots=True)
class Request:
    """One chat completion. `messages` and `tools` are in the OpenAI form; `schema` constrains the answer."""

    messages: list[dict[str, Any]]
    max_tokens: int
    tools: list[dict[str, Any]] = field(default_factory=list)
    schema: dict[str, Any] | None = None
    schema_name: str = "answer"
    temperature: float = 0.0
    seed: int | None = 7

    def prompt_bound(self) -> int:
        """An upper bound of the prompt's tokens: no tokenizer makes more tokens than bytes, plus the template's own.

        Some tokenizers normalise first (one character may become eighteen), and templates print tools as escaped JSON.
        """
        plain = json.dumps(self.messages, ensure_ascii=False)
        said = max(len(plain.encode()), len(unicodedata.normalize("NFKC", plain).encode()))
        offered = len(json.dumps([self.tools, self.schema], indent=4)) if self.tools or self.schema else 0
        return said + offered + 32 * len(self.messages) + (1024 if self.tools else 256)


@dataclass(slots=True)
class Answer:
    """What came back; `cut` is why it ended early.

    `usage` is (in, out, cached) tokens as the provider counted them, or None where it told none that could be.
    """

    text: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str = ""
    usage: tuple[int, int, int] | None = None
    cut: str = ""
    listener_error: Exception | None = None
    logprobs: list[float] = field(default_factory=list)

    @property
    def broke(self) -> bool:
        """Whether it was the server that did not end its answer, and nobody here."""
        return bool(self.cut) and self.cut != CANCELLED

    @property
    def mean_logprob(self) -> float | None:
        """The mean log-probability of the chosen tokens, None where the engine gave none."""
        return sum(self.logprobs) / len(self.logprobs) if self.logprobs else None

    def estimated(self, request: Request) -> tuple[int, int, int]:
        """Tokens by size where the provider reported none: three bytes a token, rounded up, as many as it may write at most."""
        said = len(storable(self.text).encode()) + sum(len(json.dumps(call).encode()) for call in self.tool_calls)
        prompt = len(json.dumps(request.messages, ensure_ascii=False).encode())
        return math.ceil(prompt / 3), min(math.ceil(said / 3), request.max_tokens), 0
