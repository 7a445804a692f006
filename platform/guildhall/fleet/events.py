"""What owners told the workers."""

from typing import ClassVar

from guildhall.kernel.events import Event


class WorkerDrained(Event):
    kind: ClassVar[str] = "fleet.worker.drained"
    reason: str

    def sentence(self) -> str:
        return f"had {self.subject} take nothing new: {self.reason}"


class QueuePaused(Event):
    kind: ClassVar[str] = "fleet.queue.paused"
    reason: str

    def sentence(self) -> str:
        return f"had no worker take anything from {self.subject}: {self.reason}"


class WorkerResumed(Event):
    kind: ClassVar[str] = "fleet.worker.resumed"

    def sentence(self) -> str:
        return f"let {self.subject} take work again"


class QueueResumed(Event):
    kind: ClassVar[str] = "fleet.queue.resumed"

    def sentence(self) -> str:
        return f"let workers take from {self.subject} again"
