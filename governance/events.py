"""What happens in governance, in words. Amounts are US dollars as decimal strings."""

from typing import Any, ClassVar

from guildhall.kernel.events import Event


def dollars(amount: str) -> str:
    """An amount as people read it: no trailing zeros, at least cents."""
    whole, _, rest = amount.partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')} USD"


class BudgetReserved(Event):
    kind: ClassVar[str] = "governance.budget.reserved"
    key: str
    owner: str
    amount: str
    model: str

    def sentence(self) -> str:
        return f"reserved up to {dollars(self.amount)} for {self.owner}"


class BudgetSettled(Event):
    """`cost` may be above `reserved`; then a `BudgetOverrun` is recorded with it."""

    kind: ClassVar[str] = "governance.budget.settled"
    key: str
    owner: str
    reserved: str
    cost: str
    model: str
    price_version: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    estimated: bool
    late: bool

    def sentence(self) -> str:
        about = "an estimated " if self.estimated else ""
        return f"spent {about}{dollars(self.cost)} for {self.owner} ({self.tokens_in} + {self.tokens_out} tokens)"


class BudgetReleased(Event):
    kind: ClassVar[str] = "governance.budget.released"
    key: str
    owner: str
    amount: str
    expired: bool

    def sentence(self) -> str:
        why = ", its lease had ended" if self.expired else ""
        return f"released {dollars(self.amount)} of {self.owner}{why}"


class BudgetOverrun(Event):
    kind: ClassVar[str] = "governance.budget.overrun"
    key: str
    owner: str
    reserved: str
    cost: str

    def sentence(self) -> str:
        return f"spent {dollars(self.cost)} for {self.owner} where {dollars(self.reserved)} had been reserved"


class BudgetAdjusted(Event):
    """What a call was charged turned out to be wrong and was put right by a line of its own."""

    kind: ClassVar[str] = "governance.budget.adjusted"
    key: str
    owner: str
    before: str
    after: str

    def sentence(self) -> str:
        return f"corrected the charge of {self.owner} from {dollars(self.before)} to {dollars(self.after)}"


class BudgetRefused(Event):
    kind: ClassVar[str] = "governance.budget.refused"
    owner: str
    amount: str
    limit: str
    left: str

    def sentence(self) -> str:
        return f"was refused {dollars(self.amount)} for {self.owner}: {dollars(self.left)} left of {self.limit}"


class BudgetAlert(Event):
    """A limit is used up to `percent` (80, 95 or 100)."""

    kind: ClassVar[str] = "governance.budget.alert"
    percent: int
    spent: str
    limit: str
    window: str

    def sentence(self) -> str:
        return f"used {self.percent} % of the {self.window} limit of {self.subject} ({dollars(self.limit)})"


class BudgetLimitSet(Event):
    kind: ClassVar[str] = "governance.budget.limit_set"
    amount: str
    window: str

    def sentence(self) -> str:
        return f"set the {self.window} limit of {self.subject} to {dollars(self.amount)}"


class BudgetLimitRemoved(Event):
    kind: ClassVar[str] = "governance.budget.limit_removed"
    amount: str
    window: str

    def sentence(self) -> str:
        return f"removed the {self.window} limit of {self.subject} ({dollars(self.amount)})"


class ApprovalRequested(Event):
    kind: ClassVar[str] = "governance.approval.requested"
    number: int
    about: str
    approval_kind: str
    title: str
    risk: str
    binding: dict[str, Any]
    binding_hash: str
    eligible_roles: list[str]
    quorum: int

    def sentence(self) -> str:
        return f"asked for approval #{self.number}: {self.title}"


class ApprovalVoted(Event):
    """One of several people said yes; more are needed."""

    kind: ClassVar[str] = "governance.approval.voted"
    number: int
    about: str
    yes: int
    quorum: int

    def sentence(self) -> str:
        return f"approved #{self.number} ({self.yes} of {self.quorum})"


class ApprovalDecided(Event):
    """`decision` is approved, changes_requested or rejected."""

    kind: ClassVar[str] = "governance.approval.decided"
    number: int
    about: str
    approval_kind: str
    title: str
    decision: str
    feedback: str
    binding: dict[str, Any]
    binding_hash: str

    def sentence(self) -> str:
        words = {"approved": "approved", "changes_requested": "asked for changes on", "rejected": "rejected"}
        return f"{words.get(self.decision, self.decision)} #{self.number}: {self.title}"


class ApprovalExpired(Event):
    kind: ClassVar[str] = "governance.approval.expired"
    number: int
    about: str
    approval_kind: str
    title: str
    binding: dict[str, Any]

    def sentence(self) -> str:
        return f"nobody decided approval #{self.number} in time: {self.title}"


class ApprovalVoided(Event):
    kind: ClassVar[str] = "governance.approval.voided"
    number: int
    about: str
    approval_kind: str
    reason: str
    binding: dict[str, Any]

    def sentence(self) -> str:
        return f"voided approval #{self.number}: {self.reason}"


class ApprovalExecuted(Event):
    kind: ClassVar[str] = "governance.approval.executed"
    number: int
    about: str
    approval_kind: str
    title: str
    binding: dict[str, Any]
    receipt: dict[str, Any]

    def sentence(self) -> str:
        return f"carried out approval #{self.number}: {self.title}"


class ApprovalStalled(Event):
    kind: ClassVar[str] = "governance.approval.stalled"
    number: int
    about: str
    minutes: int

    def sentence(self) -> str:
        return f"approval #{self.number} was given {self.minutes} minutes ago and is not executed"


class ReputationChanged(Event):
    kind: ClassVar[str] = "governance.reputation.changed"
    reason_kind: str
    points: int
    score: int
    level: str
    restricted: bool
    reason: str

    def sentence(self) -> str:
        return f"gave {self.subject} {self.points:+d} for {self.reason_kind.replace('_', ' ')}: {self.score} points"


class PolicyActivated(Event):
    kind: ClassVar[str] = "governance.policy.activated"
    number: int
    digest: str

    def sentence(self) -> str:
        return f"put policy version {self.number} into force"


class WorkHeld(Event):
    kind: ClassVar[str] = "governance.hold.placed"
    hold_kind: str
    target: str
    reason: str

    def sentence(self) -> str:
        return f"stopped {self.subject}: {self.reason}"


class WorkStopped(Event):
    """What a kill switch found under way. `runs` names up to 200 of `count`; `what` says it in words."""

    kind: ClassVar[str] = "governance.hold.stopped_work"
    hold: int
    runs: list[str]
    count: int
    commands: int
    calls: int
    what: str

    def sentence(self) -> str:
        return f"stopped {self.what}, by the hold on {self.subject}"


class WorkResumed(Event):
    kind: ClassVar[str] = "governance.hold.lifted"
    hold_kind: str
    target: str

    def sentence(self) -> str:
        return f"let {self.subject} go on"
