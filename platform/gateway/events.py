"""What the gateway did."""

from typing import ClassVar

from guildhall.kernel.events import Event


class ModelCalled(Event):
    """One model call. No prompt and no answer: their hashes stand for them."""

    kind: ClassVar[str] = "gateway.call.completed"
    key: str
    owner: str
    route: str
    deployment: str
    model: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    cost: str
    finish_reason: str
    cut: str
    prompt_hash: str
    answer_hash: str

    def sentence(self) -> str:
        ended = f", cut: {self.cut}" if self.cut else ""
        return f"called {self.model} for {self.owner} ({self.tokens_in} + {self.tokens_out} tokens{ended})"


class ModelCallFailed(Event):
    kind: ClassVar[str] = "gateway.call.failed"
    key: str
    owner: str
    route: str
    deployment: str
    error: str

    def sentence(self) -> str:
        return f"could not reach {self.deployment} for {self.owner}: {self.error}"
