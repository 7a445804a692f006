"""What people change about agents themselves."""

from typing import ClassVar

from guildhall.kernel.events import Event


class AgentCapped(Event):
    """`cap` is the highest autonomy at which the agent acts, whatever its strategy and its reputation allow."""

    kind: ClassVar[str] = "agent.registry.capped"
    name: str
    cap: str
    reason: str

    def sentence(self) -> str:
        return f"lets {self.name} go up to {self.cap}: {self.reason}"
