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


class AgentEdited(Event):
    """`fields` are title, route and prompt_version; the audit trail has what they were."""

    kind: ClassVar[str] = "agent.registry.edited"
    name: str
    fields: list[str]

    def sentence(self) -> str:
        words = {"title": "name", "route": "model route", "prompt_version": "prompts"}
        return f"changed the {' and the '.join(words.get(field, field) for field in self.fields)} of {self.name}"


class AgentPromptsMoved(Event):
    """It is told what `now` has, in runs that are queued from now on; before it was `was`."""

    kind: ClassVar[str] = "agent.registry.prompts_moved"
    name: str
    was: str
    now: str

    def sentence(self) -> str:
        return f"moved {self.name} from the prompts {self.was} to {self.now}"


class AgentRested(Event):
    """It begins nothing new; what it has in hand goes on."""

    kind: ClassVar[str] = "agent.registry.rested"
    name: str
    reason: str

    def sentence(self) -> str:
        return f"gives {self.name} no new work: {self.reason}"


class AgentWoken(Event):
    kind: ClassVar[str] = "agent.registry.woken"
    name: str

    def sentence(self) -> str:
        return f"gives {self.name} work again"
