"""What people hand in for the tasks that they claimed, and what became of it."""

from typing import ClassVar

from guildhall.kernel.events import Event


class ChangeHandedIn(Event):
    """`pushed` is the branch that was named, "" for a patch; `digest` the SHA-256 of what was handed in."""

    kind: ClassVar[str] = "delivery.change.handed_in"
    hand_in: int
    task: str
    pushed: str
    digest: str

    def sentence(self) -> str:
        return f"handed in {f'the branch {self.pushed}' if self.pushed else 'a patch'} for {self.task}"


class HandInSettled(Event):
    """`state` is green, red or refused; `sha` the commit that was made of it, "" for none."""

    kind: ClassVar[str] = "delivery.change.hand_in_settled"
    hand_in: int
    task: str
    state: str
    sha: str
    reason: str

    def sentence(self) -> str:
        if self.state == "refused":
            return f"refused what was handed in for {self.task}: {self.reason}"
        return f"ran CI on what was handed in for {self.task} at {self.sha[:8]}; it is {self.state}"


class HandInWithdrawn(Event):
    """Taken back while it was in work; `person` handed it in."""

    kind: ClassVar[str] = "delivery.change.hand_in_withdrawn"
    hand_in: int
    task: str
    person: str

    def sentence(self) -> str:
        return f"took back hand-in {self.hand_in} of {self.task}"
