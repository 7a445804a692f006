"""The end of a reservation: charged, given back, or run out.

Each takes a locked row, writes the ledger and moves the counters.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now

from governance.actions import statements
from governance.actions.counters import counting_now, execute, execute_in_turn
from governance.events import BudgetAdjusted, BudgetAlert, BudgetOverrun, BudgetReleased, BudgetSettled
from governance.models import BudgetCounter, EntryKind, LedgerEntry, Reservation, ReservationState
from governance.pricing import NOTHING, UnitPrices, Usage
from governance.pricing import cost as cost_of
from governance.scopes import TENANT, ScopeKind, scope_of
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.events import Event
from guildhall.kernel.operation import current_operation

ALERTS = (100, 95, 80)
ZERO = Decimal(0)
COPIED = (
    *(str(kind) for kind in ScopeKind if kind != ScopeKind.TENANT),
    *("owner", "cost_kind", "model", "provider", "price_version", "trace_id"),
)
"""What an entry takes from its reservation; the database refuses another owner."""


class NotOpen(Exception):
    """The reservation has ended already; the caller answers with how it did."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a call used and cost; `proof` is recorded with the charge."""

    usage: Usage
    cost: Decimal
    prices: UnitPrices | None
    proof: Event | None = None
    quantity: Decimal = ZERO
    unit_price: Decimal = ZERO


@governed("budget.settle", lock="reservation")
def end_reservation(*, actor: Actor, reservation: Reservation, ending: Ending) -> Reservation:
    """Charge a locked, open reservation. Raises `NotOpen`."""
    if reservation.state != ReservationState.OPEN:
        raise NotOpen
    return _charge(actor, reservation, ending, late=False, reason="")


@governed("budget.settle_late", lock=None)
def settle_late(*, actor: Actor, reservation: uuid.UUID, ending: Ending) -> Reservation:
    """Charge what has ended uncharged, or correct what an estimate charged when its process died.

    Raises `NotOpen` for one that was charged, or that was released because it paid for nothing.
    """
    row = hold_ended(reservation)
    if row.state != ReservationState.EXPIRED:
        raise NotOpen
    if row.settled_at is None:
        return _charge(actor, row, ending, late=True, reason="settled after its lease had ended")
    if not row.provisional or ending.usage.estimated:
        raise NotOpen
    return correct(actor, row, ending, "its answer was found after all")


def hold_ended(reservation: uuid.UUID) -> Reservation:
    """A reservation, locked, with every counter that counts it by now: some may have been made since it ended."""
    execute(statements.KEEP_COUNTING_OUT, {})
    row = Reservation.objects.select_for_update().get(pk=reservation)
    owners = {str(kind): getattr(row, str(kind)) for kind in ScopeKind if kind != ScopeKind.TENANT}
    scopes = [TENANT, *(scope_of(ScopeKind(kind), name) for kind, name in owners.items() if name)]
    row.counters = counting_now(scopes, row.reserved_at)
    return row


@governed("budget.expire", lock="reservation")
def expire_reservation(*, actor: Actor, reservation: Reservation) -> Reservation:
    """End a locked reservation whose lease has ended by the database's clock. Raises `NotOpen`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s <= clock_timestamp()", [reservation.expires_at])
        (ended,) = cursor.fetchone() or (False,)
    if not ended:
        raise NotOpen
    return _abandoned(actor, reservation, "its lease had ended")


@governed("budget.abandon", lock="reservation")
def abandon_reservation(*, actor: Actor, reservation: Reservation) -> Reservation:
    """End a locked reservation whose process is gone and whose call another one repeats. Raises `NotOpen`."""
    return _abandoned(actor, reservation, "its process was gone")


@governed("budget.release", lock="reservation")
def release_reservation(*, actor: Actor, reservation: Reservation) -> Reservation:
    """Give back a locked reservation that paid for nothing. Raises `NotOpen`."""
    return _give_back(actor, reservation, ReservationState.RELEASED, "")


def _abandoned(actor: Actor, reservation: Reservation, reason: str) -> Reservation:
    """What had come of an answer is charged, by what was noted; without any, all of it is given back."""
    if reservation.state != ReservationState.OPEN:
        raise NotOpen
    if reservation.noted_out is None or reservation.noted_in is None or reservation.price_in is None:
        return _give_back(actor, reservation, ReservationState.EXPIRED, reason)
    prices = UnitPrices(reservation.price_in, reservation.price_out or ZERO, reservation.price_cached or ZERO)
    usage = Usage(reservation.noted_in, reservation.noted_out, estimated=True)
    ending = Ending(usage, cost_of(usage, prices), prices)
    reservation.state = ReservationState.EXPIRED
    return _charge(actor, reservation, ending, late=False, reason=f"{reason} while the answer came")


def _charge(actor: Actor, reservation: Reservation, ending: Ending, *, late: bool, reason: str) -> Reservation:
    free = ZERO if late else reservation.amount
    _charged_event(actor, reservation, ending, late)
    enter(reservation, EntryKind.ADJUST if late else EntryKind.COMMIT, free=free, ending=ending, reason=reason)
    if reservation.state == ReservationState.OPEN:
        reservation.state = ReservationState.COMMITTED
    reservation.cost = ending.cost
    reservation.provisional = ending.usage.estimated
    reservation.settled_at = Now()
    reservation.save(update_fields=["state", "cost", "provisional", "settled_at"])
    reservation.refresh_from_db(fields=["settled_at"])
    move(actor, reservation, free=free, cost=ending.cost)
    return reservation


def correct(actor: Actor, reservation: Reservation, ending: Ending, reason: str) -> Reservation:
    """Charge an ended, locked reservation the difference to what its call has cost as `ending` says; all, if it was not yet."""
    charged = reservation.cost or ZERO
    record(
        BudgetAdjusted(
            subject=reservation.ref,
            key=reservation.key,
            owner=reservation.owner,
            before=str(charged),
            after=str(ending.cost),
        ),
        actor=actor,
        before={"cost": str(charged)},
        after={"cost": str(ending.cost)},
        reason=reason,
    )
    if ending.proof is not None:
        record(ending.proof, actor=actor)
    difference = ending.cost - charged
    paid = LedgerEntry.objects.filter(reservation=reservation, kind__in=[EntryKind.COMMIT, EntryKind.ADJUST]).aggregate(
        read=Sum("tokens_in", default=0), written=Sum("tokens_out", default=0), cached=Sum("tokens_cached", default=0)
    )
    enter(reservation, EntryKind.ADJUST, free=ZERO, ending=replace(ending, cost=difference), reason=reason, paid=paid)
    reservation.cost = ending.cost
    reservation.provisional = False
    reservation.settled_at = reservation.settled_at or Now()
    reservation.save(update_fields=["cost", "provisional", "settled_at"])
    reservation.refresh_from_db(fields=["settled_at"])
    move(actor, reservation, free=ZERO, cost=difference)
    return reservation


def _give_back(actor: Actor, reservation: Reservation, state: ReservationState, reason: str) -> Reservation:
    if reservation.state != ReservationState.OPEN:
        raise NotOpen
    record(
        BudgetReleased(
            subject=reservation.ref,
            key=reservation.key,
            owner=reservation.owner,
            amount=str(reservation.amount),
            expired=state == ReservationState.EXPIRED,
        ),
        actor=actor,
    )
    enter(reservation, EntryKind.RELEASE, free=reservation.amount, ending=None, reason=reason)
    reservation.state = state
    reservation.save(update_fields=["state"])
    move(actor, reservation, free=reservation.amount, cost=ZERO)
    return reservation


def _charged_event(actor: Actor, reservation: Reservation, ending: Ending, late: bool) -> None:
    usage = ending.usage
    record(
        BudgetSettled(
            subject=reservation.ref,
            key=reservation.key,
            owner=reservation.owner,
            reserved=str(reservation.amount),
            cost=str(ending.cost),
            model=reservation.model,
            price_version=reservation.price_version,
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            tokens_cached=usage.tokens_cached,
            estimated=usage.estimated,
            late=late,
        ),
        actor=actor,
    )
    if ending.proof is not None:
        record(ending.proof, actor=actor)
    if ending.cost > reservation.amount > 0:
        record(
            BudgetOverrun(
                subject=reservation.ref,
                key=reservation.key,
                owner=reservation.owner,
                reserved=str(reservation.amount),
                cost=str(ending.cost),
            ),
            actor=actor,
        )


def enter(
    reservation: Reservation,
    kind: EntryKind,
    *,
    free: Decimal,
    ending: Ending | None,
    reason: str,
    paid: Mapping[str, int] | None = None,
) -> None:
    """Add a line to the ledger. `paid` are tokens that earlier lines of the reservation have already."""
    prices = ending.prices if ending else None
    usage = ending.usage if ending else NOTHING
    before = paid or {"read": 0, "written": 0, "cached": 0}
    LedgerEntry.objects.create(
        kind=kind,
        reservation=reservation,
        reserved_delta=-free,
        spent_delta=ending.cost if ending else ZERO,
        **{name: getattr(reservation, name) for name in COPIED},
        price_in=prices.tokens_in if prices else ZERO,
        price_out=prices.tokens_out if prices else ZERO,
        price_cached=prices.tokens_cached if prices else ZERO,
        tokens_in=usage.tokens_in - before["read"],
        tokens_out=usage.tokens_out - before["written"],
        tokens_cached=usage.tokens_cached - before["cached"],
        quantity=ending.quantity if ending else ZERO,
        unit_price=ending.unit_price if ending else ZERO,
        estimated=usage.estimated,
        reason=reason[:300],
        operation_id=current_operation().id,
        counted_at=reservation.reserved_at,
    )


def move(actor: Actor, reservation: Reservation, *, free: Decimal, cost: Decimal) -> None:
    """Counters last, so that they are locked as briefly as can be; then the alerts that this brings on."""
    moved = {"counters": reservation.counters, "free": free, "cost": cost}
    rows = execute_in_turn(statements.HOLD_COUNTERS, statements.MOVE, parameters=moved)
    for pk, kind, scope_id, window, limit, spent, alerted in rows:
        percent = next((level for level in ALERTS if spent * 100 >= limit * level), 0) if cost else 0
        if percent <= alerted:
            continue
        BudgetCounter.objects.filter(pk=pk).update(alerted=percent)
        record(
            BudgetAlert(
                subject=f"{kind}:{scope_id}" if scope_id else kind,
                percent=percent,
                spent=str(spent),
                limit=str(limit),
                window=window,
            ),
            actor=actor,
        )
