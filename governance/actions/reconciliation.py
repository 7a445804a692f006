"""The ledger beside a provider's own usage: estimates are put right, everything else that differs is shown to people."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from governance.actions.charges import correct_estimate
from governance.actions.settlement import NotOpen
from governance.budget_events import LedgerReconciled
from governance.models import CostKind, Difference, DifferenceKind, Reconciliation, Reservation, ReservationState
from governance.pricing import NOTHING, UnitPrices, Usage, cost
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.errors import Invalid

ZERO = Decimal(0)
PriceOf = Callable[[str], UnitPrices | None]
"""The unit prices of a model, for a call that the ledger knows none of."""


@dataclass(frozen=True, slots=True)
class Period:
    """Calls of one provider that were reserved from `since` to before `until`."""

    provider: str
    since: datetime
    until: datetime


@dataclass
class _Sums:
    calls: int = 0
    ledger: Decimal = ZERO
    provider: Decimal = ZERO
    corrected: int = 0


def reconcile(
    *, actor: Actor, period: Period, counted: Mapping[UUID, Usage], price_of: PriceOf, problem: str = ""
) -> int:
    """Compare what a provider counted for each call (by reservation) with the ledger; the comparison's id.

    A charge that was an estimate is corrected at once (to nothing where the provider knows of no call), by the platform and
    with a line of its own, where no more than the reservation is told; other differences are kept for people. With a `problem`
    nothing is compared. Raises `Invalid`.
    """
    if period.until <= period.since:
        raise Invalid("A period ends after it begins.", fields={"until": ["Give a later time."]})
    sums, found = _Sums(), []
    if not problem:
        cashier = system_actor("cashier", actor.tenant)
        for row in _calls(period):
            sums.calls += 1
            difference = _compare(cashier, row, counted.get(row.pk), price_of, sums)
            found += [difference] if difference else []
    return _keep(actor=actor, period=period, sums=sums, found=found, problem=problem[:300])


def _calls(period: Period) -> list[Reservation]:
    rows = Reservation.objects.filter(
        provider=period.provider,
        cost_kind=CostKind.MODEL,
        reserved_at__gte=period.since,
        reserved_at__lt=period.until,
    )
    return list(rows.exclude(state=ReservationState.OPEN).order_by("reserved_at", "id"))


def _compare(actor: Actor, row: Reservation, usage: Usage | None, price_of: PriceOf, sums: _Sums) -> Difference | None:
    charged = row.cost or ZERO
    prices = _prices(row) or price_of(row.model)
    told = cost(usage, prices) if usage is not None and prices is not None else ZERO
    sums.provider += told
    corrected = prices is not None and _corrected(actor, row, usage or NOTHING, told, prices)
    sums.corrected += corrected
    sums.ledger += told if corrected else charged
    if told == charged:
        return None
    kind = DifferenceKind.UNKNOWN if usage is None else DifferenceKind.AMOUNT if charged else DifferenceKind.UNCHARGED
    tokens = usage or NOTHING
    return Difference(
        kind=kind,
        reservation=row.pk,
        key=row.key,
        owner=row.owner,
        model=row.model,
        ledger_cost=charged,
        provider_cost=told,
        tokens_in=tokens.tokens_in,
        tokens_out=tokens.tokens_out,
        tokens_cached=tokens.tokens_cached,
        corrected=corrected,
    )


def _corrected(actor: Actor, row: Reservation, usage: Usage, told: Decimal, prices: UnitPrices) -> bool:
    if not row.provisional or told > row.amount:
        # A call never costs more than was reserved for it: a provider that says so is for people to judge.
        return False
    try:
        correct_estimate(actor=actor, reservation=row.pk, usage=usage, cost=told, prices=prices)
    except NotOpen:
        return False
    return True


def _prices(row: Reservation) -> UnitPrices | None:
    """What the call was charged by."""
    line = row.entries.filter(kind__in=["commit", "adjust"], price_in__gt=0).order_by("id").first()
    return UnitPrices(line.price_in, line.price_out, line.price_cached) if line else None


@governed("budget.reconcile", lock=None)
def _keep(*, actor: Actor, period: Period, sums: _Sums, found: list[Difference], problem: str) -> int:
    row = Reconciliation.objects.create(
        provider=period.provider,
        since=period.since,
        until=period.until,
        calls=sums.calls,
        ledger_cost=sums.ledger,
        provider_cost=sums.provider,
        corrected=sums.corrected,
        problem=problem,
        made_by=actor.ref,
    )
    for difference in found:
        difference.reconciliation = row
    Difference.objects.bulk_create(found)
    record(
        LedgerReconciled(
            subject=row.ref,
            provider=row.provider,
            since=period.since.isoformat(),
            until=period.until.isoformat(),
            calls=sums.calls,
            ledger_cost=f"{sums.ledger:f}",
            provider_cost=f"{sums.provider:f}",
            corrected=sums.corrected,
            open=sum(not difference.corrected for difference in found),
            problem=problem,
        ),
        actor=actor,
    )
    return int(row.pk)
