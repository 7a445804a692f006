"""Reserve before a call, settle after it. Every amount is US dollars; the database decides, never a cache.

Each of these is one short transaction. `reserve`, `settle` and `release` may be called again with the same key or
reservation after a crash: they answer with what the first call did.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection

from governance.actions import statements
from governance.actions.settlement import (
    Ending,
    NotOpen,
    end_reservation,
    expire_reservation,
    release_reservation,
)
from governance.events import BudgetRefused, BudgetReserved, dollars
from governance.models import Reservation, ReservationState
from governance.pricing import UnitPrices, Usage
from governance.scopes import TENANT, Scope, owned_by
from governance.selectors import reservation_ref
from governance.selectors.holds import refuse_held
from governance.views import ReservationRef
from governance.windows import window_end
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid, LimitExceeded, NotFound
from guildhall.kernel.operation import current_operation


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reservation is asked for."""

    key: str
    amount: Decimal
    scopes: tuple[Scope, ...]
    owner: str
    model: str
    price_version: str
    ttl_s: float


class _KeyTaken(Exception):
    """Another live reservation has this key."""


def reserve(
    *,
    actor: Actor,
    key: str,
    amount: Decimal,
    scopes: Iterable[Scope],
    owner: str,
    model: str,
    price_version: str,
    ttl_s: float,
) -> ReservationRef:
    """Set `amount` aside in every limit that applies to `scopes` (the tenant's always does), for `ttl_s` seconds.

    The same key again gives the same open reservation with a new lease. Raises `Conflict` when the key has paid for a
    call or was used for another amount or owner, `LimitExceeded` naming the limit, what is left and until when,
    `Invalid`.
    """
    wanted = _wanted(key, amount, scopes, owner, model, price_version, ttl_s)
    for _ in range(3):
        try:
            return reservation_ref(_reserve(actor=actor, wanted=wanted))
        except _KeyTaken:
            known = Reservation.objects.filter(
                key=key, state__in=[ReservationState.OPEN, ReservationState.COMMITTED]
            ).first()
            if known is None:
                continue
            _refuse_other_call(known, wanted)
            try:
                return reservation_ref(_renew(actor=actor, reservation=known, ttl_s=ttl_s))
            except NotOpen:
                continue
        except LimitExceeded as refusal:
            _refuse(actor=actor, wanted=wanted, refusal=refusal)
            raise
    raise Conflict(f"Another call uses the key {key} at this moment; try again.")


def settle(
    *,
    actor: Actor,
    reservation: ReservationRef | uuid.UUID,
    usage: Usage,
    cost: Decimal,
    prices: UnitPrices | None = None,
) -> ReservationRef:
    """Charge what the call cost, exactly once; later calls change nothing and return the first settlement.

    A reservation whose lease has ended is charged all the same, late. More than was reserved is charged truthfully.
    Raises `NotFound`, `Conflict` for a released reservation, `Invalid` for a negative cost.
    """
    if not cost.is_finite() or cost < 0:
        raise Invalid("A cost is at least 0.", fields={"cost": ["Give an amount of at least 0."]})
    row = _find(reservation)
    try:
        ended = end_reservation(actor=actor, reservation=row, ending=Ending(usage, cost, prices))
    except NotOpen:
        row = _find(reservation)
        if row.settled_at is None:
            raise Conflict(f"The reservation {row.key} was released: no call can be charged to it.") from None
        return reservation_ref(row)
    return reservation_ref(ended)


def release(*, actor: Actor, reservation: ReservationRef | uuid.UUID) -> ReservationRef:
    """Give a reservation back that paid for nothing. One that has ended already is returned as it is."""
    row = _find(reservation)
    try:
        return reservation_ref(release_reservation(actor=actor, reservation=row))
    except NotOpen:
        return reservation_ref(_find(reservation))


def expire_reservations(*, actor: Actor) -> int:
    """Release every reservation whose lease has ended (its process died); returns how many."""
    due = Reservation.objects.filter(state=ReservationState.OPEN).extra(where=["expires_at <= now()"])
    count = 0
    for row in due.order_by("expires_at")[:500]:
        try:
            expire_reservation(actor=actor, reservation=row)
        except NotOpen:
            continue
        count += 1
    return count


def _wanted(
    key: str,
    amount: Decimal,
    scopes: Iterable[Scope],
    owner: str,
    model: str,
    price_version: str,
    ttl_s: float,
) -> Wanted:
    problems: dict[str, list[str]] = {}
    if not 0 < len(key) <= 200:
        problems["key"] = ["Give a key of 1 to 200 characters."]
    if not amount.is_finite() or amount <= 0:
        problems["amount"] = ["Give an amount above 0."]
    if ttl_s <= 0:
        problems["ttl_s"] = ["Give a lease above 0 seconds."]
    unique = tuple(dict.fromkeys([TENANT, *scopes]))
    try:
        owned_by(unique)
    except ValueError as error:
        problems["scopes"] = [f"{error}."]
    if problems:
        raise Invalid("This cannot be reserved.", fields=problems)
    return Wanted(key, amount, unique, owner, model, price_version, ttl_s)


@governed("budget.reserve", lock=None)
def _reserve(*, actor: Actor, wanted: Wanted) -> Reservation:
    refuse_held(scopes=wanted.scopes, agent=actor.ref)
    counters = _counters(wanted.scopes)
    if not counters:
        raise LimitExceeded("No budget is set for this organisation, so nothing can be spent.", limit="", left="0")
    made = uuid.uuid4()
    # Recorded first: what follows locks the tenant's counters, and the commit lets them go.
    record(
        BudgetReserved(
            subject=f"reservation:{made}",
            key=wanted.key,
            owner=wanted.owner,
            amount=str(wanted.amount),
            model=wanted.model,
        ),
        actor=actor,
    )
    _execute(statements.HOLD_COUNTERS, {"counters": counters})
    fits, row = _execute(statements.RESERVE, _parameters(made, counters, wanted))[0]
    if not fits:
        raise _exceeded(counters, wanted)
    if row is None:
        raise _KeyTaken
    return Reservation.objects.get(pk=made)


def _parameters(made: uuid.UUID, counters: list[int], wanted: Wanted) -> dict[str, Any]:
    operation = current_operation()
    return {
        "id": made,
        "key": wanted.key,
        "amount": wanted.amount,
        "counters": counters,
        "owner": wanted.owner,
        "model": wanted.model,
        "price_version": wanted.price_version,
        "ttl": wanted.ttl_s,
        "trace": operation.trace_id,
        "operation": operation.id,
        **owned_by(wanted.scopes),
    }


def _counters(scopes: Sequence[Scope]) -> list[int]:
    """Ids of the counters of all limits that apply now, made where this is the first reservation of a window."""
    parameters = {"kinds": [str(scope.kind) for scope in scopes], "ids": [scope.id for scope in scopes]}
    rows = _execute(statements.APPLYING, parameters)
    if any(row[5] is None for row in rows):
        for scope in sorted(scopes, key=str):
            _execute(statements.HOLD_LIMITS, {"kinds": [str(scope.kind)], "id": scope.id})
        for *counter, known in _execute(statements.APPLYING, parameters):
            if known is None:
                with connection.cursor() as cursor:
                    cursor.execute(statements.MAKE_COUNTER, counter)
        rows = _execute(statements.APPLYING, parameters)
    return [row[5] for row in rows]


def _exceeded(counters: list[int], wanted: Wanted) -> LimitExceeded:
    kind, scope_id, window, start, limit, room = _execute(statements.TIGHTEST, {"counters": counters})[0]
    until = window_end(window, start)
    name = f"the {window} limit of {kind} {scope_id}".rstrip()
    when = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "for good, unless the limit is raised"
    return LimitExceeded(
        f"{dollars(str(room))} of {dollars(str(limit))} is left in {name} {when};"
        f" this needs up to {dollars(str(wanted.amount))}.",
        limit=name,
        scope_kind=kind,
        scope_id=scope_id,
        window=window,
        left=str(room),
        amount=str(wanted.amount),
        until=until.isoformat() if until else None,
    )


@governed("budget.refuse", lock=None)
def _refuse(*, actor: Actor, wanted: Wanted, refusal: LimitExceeded) -> None:
    """The refusal rolled its transaction back, so it is kept in one of its own."""
    record(
        BudgetRefused(
            subject=wanted.owner,
            owner=wanted.owner,
            amount=str(wanted.amount),
            limit=refusal.extra["limit"] or "no limit",
            left=refusal.extra["left"],
        ),
        actor=actor,
        reason=refusal.detail,
    )


def _refuse_other_call(known: Reservation, wanted: Wanted) -> None:
    if known.state == ReservationState.COMMITTED:
        raise Conflict(f"The key {known.key} has paid for a call already.", reservation=str(known.pk))
    if (known.amount, known.owner, known.model) != (wanted.amount, wanted.owner, wanted.model):
        raise Conflict(f"The key {known.key} is in use for another call.", reservation=str(known.pk))


@governed("budget.renew", lock="reservation")
def _renew(*, actor: Actor, reservation: Reservation, ttl_s: float) -> Reservation:
    if reservation.state != ReservationState.OPEN:
        raise NotOpen
    parameters = {"id": reservation.pk, "ttl": ttl_s}
    renewed = "UPDATE governance_reservation SET expires_at = now() + make_interval(secs => %(ttl)s) WHERE id = %(id)s"
    (reservation.expires_at,) = _execute(f"{renewed} RETURNING expires_at", parameters)[0]
    record(
        BudgetReserved(
            subject=reservation.ref,
            key=reservation.key,
            owner=reservation.owner,
            amount=str(reservation.amount),
            model=reservation.model,
        ),
        actor=actor,
        reason="the same key again: the lease is renewed",
    )
    return reservation


def _find(reservation: ReservationRef | uuid.UUID) -> Reservation:
    key = reservation if isinstance(reservation, uuid.UUID) else reservation.id
    row = Reservation.objects.filter(pk=key).first()
    if row is None:
        raise NotFound("There is no such reservation.")
    return row


def _execute(statement: str, parameters: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[Any] = cursor.fetchall()
        return found
