"""What happens to approvals after they are given, and to environments that are locked or frozen, in words."""

from typing import Any, ClassVar

from guildhall.kernel.events import Event


class ApprovalHeldBack(Event):
    """What was approved is not carried out for now; `until` is when it is looked at again by itself, "" for never."""

    kind: ClassVar[str] = "governance.approval.held_back"
    number: int
    about: str
    reason: str
    until: str

    def sentence(self) -> str:
        return f"did not carry out approval #{self.number} yet: {self.reason}"


class ApprovalRetried(Event):
    """Whoever carries out approvals of this kind is to try again."""

    kind: ClassVar[str] = "governance.approval.retried"
    number: int
    about: str
    approval_kind: str
    binding: dict[str, Any]
    reason: str

    def sentence(self) -> str:
        return f"had approval #{self.number} tried again: {self.reason}"


class EnvironmentHeld(Event):
    """`hold_kind` is lock or freeze; `until` is "" where it has no end of its own."""

    kind: ClassVar[str] = "governance.release.held"
    hold_kind: str
    environment: str
    reason: str
    until: str

    def sentence(self) -> str:
        what = "locked" if self.hold_kind == "lock" else "began a freeze of"
        return f"{what} {self.environment}: {self.reason}"


class EnvironmentReleased(Event):
    kind: ClassVar[str] = "governance.release.lifted"
    hold_kind: str
    environment: str
    reason: str

    def sentence(self) -> str:
        what = "unlocked" if self.hold_kind == "lock" else "ended the freeze of"
        return f"{what} {self.environment}: {self.reason}"
