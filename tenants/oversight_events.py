"""What owners look at in organisations' governance, and their leave to look closer."""

from typing import ClassVar

from guildhall.kernel.events import Event


class GovernanceRead(Event):
    """An owner read how the governance of these organisations (their short names) stands."""

    kind: ClassVar[str] = "tenancy.governance.read"
    slugs: list[str]

    def sentence(self) -> str:
        return f"read approvals, violations, budgets, agents, policy and holds of {', '.join(self.slugs)}"


class SupportOpened(Event):
    """An owner took leave to look into an organisation until `until` (ISO, UTC)."""

    kind: ClassVar[str] = "tenancy.support.opened"
    slug: str
    until: str
    reason: str

    def sentence(self) -> str:
        return f"took leave to read the audit trail of {self.slug} until {self.until[:16]} UTC: {self.reason}"


class SupportEnded(Event):
    """An owner gave the leave back before its time."""

    kind: ClassVar[str] = "tenancy.support.ended"
    slug: str

    def sentence(self) -> str:
        return f"gave back the leave to look into {self.slug}"


class SupportLooked(Event):
    """An owner looked into an organisation. `what` was read, `asked` is what was searched for.

    On the platform's own trail and, with the same words, on the organisation's.
    """

    kind: ClassVar[str] = "tenancy.support.looked"
    slug: str
    what: str
    asked: dict[str, str]
    reason: str

    def sentence(self) -> str:
        asked = ", ".join(f"{name} {value}" for name, value in self.asked.items())
        return f"read the {self.what} of {self.slug}{f' ({asked})' if asked else ''} as the platform’s owner: {self.reason}"
