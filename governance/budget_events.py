"""What happens to limits and charges by people's decision, and what providers say of them."""

from typing import ClassVar

from governance.events import dollars
from guildhall.kernel.events import Event


class BudgetOverridden(Event):
    """A limit was raised in one window by approval. `applied` is false when that window was over by then."""

    kind: ClassVar[str] = "governance.budget.overridden"
    approval: int
    before: str
    ceiling: str
    window: str
    window_start: str
    applied: bool

    def sentence(self) -> str:
        if not self.applied:
            return f"left {self.subject} as it was: the window that approval #{self.approval} was for is over"
        return (
            f"raised {self.subject} from {dollars(self.before)} to {dollars(self.ceiling)} by approval #{self.approval}"
        )


class UseCharged(Event):
    """Compute time or storage that was used: `quantity` seconds or GiB."""

    kind: ClassVar[str] = "governance.budget.use_charged"
    key: str
    owner: str
    cost_kind: str
    quantity: str
    unit_price: str
    cost: str

    def sentence(self) -> str:
        what = {"compute": "s of compute", "storage": "GiB of storage"}.get(self.cost_kind, self.cost_kind)
        return f"spent {dollars(self.cost)} for {self.owner} ({self.quantity} {what})"


class LedgerReconciled(Event):
    """The ledger was compared with a provider's own usage. `open` is how many differences nothing has corrected."""

    kind: ClassVar[str] = "governance.ledger.reconciled"
    provider: str
    since: str
    until: str
    calls: int
    ledger_cost: str
    provider_cost: str
    corrected: int
    open: int
    problem: str

    def sentence(self) -> str:
        if self.problem:
            return f"could not compare the ledger with {self.provider}: {self.problem}"
        found = f"{self.open} differences" if self.open else "no difference"
        return f"compared {self.calls} calls with {self.provider}: {found}, {self.corrected} estimates corrected"
