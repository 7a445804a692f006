"""What other rooms see of governance: plain values, never rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from governance.scoring import PermissionLevel


@dataclass(frozen=True, slots=True)
class ReservationRef:
    """A reservation. `cost` is None until it is settled; amounts in US dollars."""

    id: UUID
    key: str
    amount: Decimal
    state: str
    owner: str
    model: str
    price_version: str
    reserved_at: datetime
    expires_at: datetime
    settled_at: datetime | None = None
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BudgetView:
    """One limit in its present window. `left` is never negative; `until` is None for limits in total."""

    scope_kind: str
    scope_id: str
    window: str
    limit: Decimal
    reserved: Decimal
    spent: Decimal
    left: Decimal
    until: datetime | None

    @property
    def percent(self) -> int:
        """How much of it is spent or set aside, in whole percent; above 100 when truth went beyond the limit."""
        used = self.spent + self.reserved
        return int(used * 100 / self.limit) if self.limit else 100 if used else 0


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit that was set. An empty `scope_id` is the default of each of its kind (the organisation's own has none either).

    `fullest` is the one of them that has used most of it in the present window; None when nobody has used any.
    """

    scope_kind: str
    scope_id: str
    window: str
    amount: Decimal
    users: int
    fullest: BudgetView | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What one scope may spend in the present window and what is spent and reserved of it, in US dollars."""

    limit: Decimal
    used: Decimal

    @property
    def left(self) -> Decimal:
        """Less than 0 where the limit was lowered below what is used, or a call cost more than was foreseen."""
        return self.limit - self.used


@dataclass(frozen=True, slots=True)
class DaySpend:
    """What one owner spent on one day (UTC)."""

    day: date
    owner: str
    spent: Decimal


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """One call that provider and ledger tell differently; `kind` is amount, uncharged or unknown to the provider."""

    id: int
    reconciliation: int
    kind: str
    reservation: UUID
    key: str
    owner: str
    model: str
    ledger_cost: Decimal
    provider_cost: Decimal
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    corrected: bool
    charged: Decimal

    @property
    def gap(self) -> Decimal:
        """What the provider counts above the ledger, in US dollars."""
        return self.provider_cost - self.ledger_cost

    @property
    def mended(self) -> bool:
        """Whether the ledger says by now what the provider counted: `charged` is what the call costs today."""
        return self.charged == self.provider_cost


@dataclass(frozen=True, slots=True)
class ReconciliationView:
    """One comparison of a provider's own usage with the ledger. `problem` says why there is none."""

    id: int
    provider: str
    since: datetime
    until: datetime
    calls: int
    ledger_cost: Decimal
    provider_cost: Decimal
    corrected: int
    open: int
    problem: str
    made_by: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class SpendLine:
    """Spend of one owner (`owner` "" is what no owner of this dimension has), in US dollars and tokens."""

    owner: str
    spent: Decimal
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    calls: int


@dataclass(frozen=True, slots=True)
class EntryView:
    """One line of the ledger. `quantity` is seconds of compute or GiB of storage; 0 where tokens were paid for.

    Prices are US dollars: per million tokens, and `unit_price` for one of `quantity`; 0 where none counted.
    """

    id: int
    kind: str
    cost_kind: str
    key: str
    owner: str
    agent: str
    model: str
    reserved_delta: Decimal
    spent_delta: Decimal
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    quantity: Decimal
    price_in: Decimal
    price_out: Decimal
    price_cached: Decimal
    unit_price: Decimal
    estimated: bool
    reason: str
    price_version: str
    trace_id: str
    operation_id: str
    provider: str
    project: str
    strategy: str
    story: str
    task: str
    run: str
    api_key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class VoteView:
    voter: str
    voter_name: str
    decision: str
    feedback: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """An approval as pages, API and executors see it."""

    number: int
    ref: str
    kind: str
    subject: str
    title: str
    summary: str
    binding: Mapping[str, Any]
    binding_hash: str
    risk: str
    client: str
    requester: str
    excluded: tuple[str, ...]
    eligible_roles: tuple[str, ...]
    quorum: int
    state: str
    state_reason: str
    requested_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    executed_at: datetime | None
    outcome: Mapping[str, Any] | None
    votes: tuple[VoteView, ...] = ()
    alarmed_at: datetime | None = None
    held_reason: str = ""


@dataclass(frozen=True, slots=True)
class StandingView:
    """An agent's reputation now."""

    agent: str
    score: int
    level: PermissionLevel
    restricted: bool


@dataclass(frozen=True, slots=True)
class ReputationChange:
    """Points that an agent was given or lost, for what, by whom."""

    id: int
    agent: str
    kind: str
    points: int
    reason: str
    source: str
    given_by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class HoldView:
    """A kill switch that is on. Of kind `platform` it is the owner's, on in every organisation.

    Kind `organisation` is one that is closed: suspended by the owner, or in quarantine.
    """

    id: int
    kind: str
    target: str
    reason: str
    held_by: str
    held_at: datetime
    stopped: tuple[Mapping[str, Any], ...] = ()

    @property
    def ref(self) -> str:
        return f"{self.kind}:{self.target}" if self.target else self.kind

    @property
    def sentence(self) -> str:
        everything = "everything on this platform" if self.kind == "platform" else "everything in this organisation"
        what = f"{self.kind} {self.target}" if self.target else everything
        return f"{what} is on hold: {self.reason}"
