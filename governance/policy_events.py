"""What happens to proposals for a policy, in words. The text itself is in its row; events carry its digest."""

from typing import ClassVar

from guildhall.kernel.events import Event


class PolicyDrafted(Event):
    kind: ClassVar[str] = "governance.policy.drafted"
    draft: int
    digest: str
    base_version: int
    reason: str

    def sentence(self) -> str:
        return f"proposed policy draft {self.draft} on version {self.base_version}: {self.reason}"


class PolicyDraftEdited(Event):
    kind: ClassVar[str] = "governance.policy.draft_edited"
    draft: int
    digest: str
    base_version: int
    revision: int

    def sentence(self) -> str:
        return f"changed policy draft {self.draft}"


class PolicyDraftSubmitted(Event):
    """Somebody wants exactly this text, on exactly this version, to be put into force. `risk` says how far it loosens."""

    kind: ClassVar[str] = "governance.policy.draft_submitted"
    draft: int
    digest: str
    base_version: int
    risk: str
    loosens: list[str]

    def sentence(self) -> str:
        return f"asked for policy draft {self.draft} to be put into force"


class PolicyDraftReturned(Event):
    """What was asked about it will not happen; it can be changed and asked again."""

    kind: ClassVar[str] = "governance.policy.draft_returned"
    draft: int
    reason: str

    def sentence(self) -> str:
        return f"gave policy draft {self.draft} back: {self.reason}"


class PolicyDraftWithdrawn(Event):
    kind: ClassVar[str] = "governance.policy.draft_withdrawn"
    draft: int
    reason: str

    def sentence(self) -> str:
        return f"withdrew policy draft {self.draft}"
