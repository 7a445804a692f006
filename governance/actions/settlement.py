"""The end of a reservation: charged, given back, or run out.

Each takes a locked row, writes the ledger and moves the counters.
"""

from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.db.models.functions import Now

from governance.actions import statements
from governance.events import BudgetAlert, BudgetOverrun, BudgetReleased, BudgetSettled
from governance.models import BudgetCounter, EntryKind, LedgerEntry, Reservation, ReservationState
from governance.pricing import UnitPrices, Usage
from governance.scopes import ScopeKind
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.operation import current_operation

ALERTS = (100, 95, 80)
ZERO = Decimal(0)
DIMENSIONS = tuple(str(kind) for kind in ScopeKind if kind != ScopeKind.TENANT)


class NotOpen(Exception):
    """The reservation has ended already; the caller answers with how it did."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a call used and cost."""

    usage: Usage
    cost: Decimal
    prices: UnitPrices | None


@governed("budget.settle", lock="reservation")
def end_reservation(*, actor: Actor, reservation: Reservation, ending: Ending) -> Reservation:
    """Charge a locked reservation that nobody has charged. Raises `NotOpen` for one that was."""
    if reservation.settled_at is not None or reservation.state == ReservationState.RELEASED:
        raise NotOpen
    late = reservation.state == ReservationState.EXPIRED
    _charged_event(actor, reservation, ending, late)
    _enter(
        reservation,
        EntryKind.ADJUST if late else EntryKind.COMMIT,
        free=ZERO if late else reservation.amount,
        ending=ending,
        reason="settled after its lease had ended" if late else "",
    )
    if not late:
        reservation.state = ReservationState.COMMITTED
    reservation.cost = ending.cost
    reservation.settled_at = Now()
    reservation.save(update_fields=["state", "cost", "settled_at"])
    reservation.refresh_from_db(fields=["settled_at"])
    _move(actor, reservation, free=ZERO if late else reservation.amount, cost=ending.cost)
    return reservation


@governed("budget.expire", lock="reservation")
def expire_reservation(*, actor: Actor, reservation: Reservation) -> Reservation:
    """Give back a locked reservation whose lease has ended by the database's clock. Raises `NotOpen`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s <= clock_timestamp()", [reservation.expires_at])
        (ended,) = cursor.fetchone() or (False,)
    if not ended:
        raise NotOpen
    return _give_back(actor, reservation, ReservationState.EXPIRED)


@governed("budget.release", lock="reservation")
def release_reservation(*, actor: Actor, reservation: Reservation) -> Reservation:
    """Give back a locked reservation that paid for nothing. Raises `NotOpen`."""
    return _give_back(actor, reservation, ReservationState.RELEASED)


def _give_back(actor: Actor, reservation: Reservation, state: ReservationState) -> Reservation:
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
    reason = "its lease had ended" if state == ReservationState.EXPIRED else ""
    _enter(reservation, EntryKind.RELEASE, free=reservation.amount, ending=None, reason=reason)
    reservation.state = state
    reservation.save(update_fields=["state"])
    _move(actor, reservation, free=reservation.amount, cost=ZERO)
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
    if ending.cost > reservation.amount:
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


def _enter(reservation: Reservation, kind: EntryKind, *, free: Decimal, ending: Ending | None, reason: str) -> None:
    operation = current_operation()
    prices = ending.prices if ending else None
    LedgerEntry.objects.create(
        kind=kind,
        reservation=reservation,
        reserved_delta=-free,
        spent_delta=ending.cost if ending else ZERO,
        owner=reservation.owner,
        **{name: getattr(reservation, name) for name in DIMENSIONS},
        model=reservation.model,
        price_version=reservation.price_version,
        price_in=prices.tokens_in if prices else ZERO,
        price_out=prices.tokens_out if prices else ZERO,
        price_cached=prices.tokens_cached if prices else ZERO,
        tokens_in=ending.usage.tokens_in if ending else 0,
        tokens_out=ending.usage.tokens_out if ending else 0,
        tokens_cached=ending.usage.tokens_cached if ending else 0,
        estimated=ending.usage.estimated if ending else False,
        reason=reason,
        trace_id=reservation.trace_id,
        operation_id=operation.id,
        counted_at=reservation.reserved_at,
    )


def _move(actor: Actor, reservation: Reservation, *, free: Decimal, cost: Decimal) -> None:
    """Counters last, so that they are locked as briefly as can be; then the alerts that this brings on."""
    with connection.cursor() as cursor:
        cursor.execute(statements.HOLD_COUNTERS, {"counters": reservation.counters})
        cursor.execute(statements.MOVE, {"counters": reservation.counters, "free": free, "cost": cost})
        rows = cursor.fetchall()
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
