"""Reserve before a call, settle after it. Every amount is US dollars; the database decides, never a cache.

Each of these is one short transaction. `reserve`, `settle` and `release` may be called again with the same key or
reservation after a crash: they answer with what the first call did.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection

from governance.actions import statements
from governance.actions.counters import counters_of, exceeded, execute, execute_in_turn
from governance.actions.settlement import (
    Ending,
    NotOpen,
    abandon_reservation,
    end_reservation,
    expire_reservation,
    release_reservation,
)
from governance.events import BudgetRefused, BudgetReserved
from governance.models import Reservation, ReservationState
from governance.pricing import UnitPrices, Usage
from governance.scopes import TENANT, Scope, owned_by
from governance.selectors import reservation_ref
from governance.selectors.holds import refuse_held
from governance.views import ReservationRef
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor, ActorKind
from guildhall.kernel.errors import Conflict, Invalid, LimitExceeded, NotFound
from guildhall.kernel.events import Event
from guildhall.kernel.operation import current_operation


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reservation is asked for."""

    key: str
    amount: Decimal
    scopes: tuple[Scope, ...]
    owner: str
    agent: str
    model: str
    provider: str
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
    provider: str = "",
    take_over: bool = False,
) -> ReservationRef:
    """Set `amount` aside in every limit that applies to `scopes` (the tenant's always does), for `ttl_s` seconds.

    The same key again gives the same open reservation with a new lease. With `take_over` it is another process's that is
    gone: that one is charged as far as its answer had come, and a new reservation is made. Raises `Conflict` when the key
    has paid for a call or was used for another amount or owner, `LimitExceeded` naming the limit, what is left and until
    when, `Invalid`.
    """
    scopes = _checked(key, amount, scopes, ttl_s)
    agent = actor.ref if actor.kind == ActorKind.AGENT else ""
    wanted = Wanted(key, amount, scopes, owner, agent, model, provider, price_version, ttl_s)
    for _ in range(3):
        try:
            return _reserve(actor=actor, wanted=wanted)
        except _KeyTaken:
            known = Reservation.objects.filter(
                key=key, state__in=[ReservationState.OPEN, ReservationState.COMMITTED]
            ).first()
            if known is None:
                continue
            _refuse_other_call(known, wanted, take_over=take_over)
            try:
                if take_over:
                    abandon_reservation(actor=actor, reservation=known)
                    continue
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
    proof: Event | None = None,
) -> ReservationRef:
    """Charge what the call cost, exactly once; later calls change nothing and return the first settlement.

    A reservation whose lease has ended is charged all the same, late; one that was charged by an estimate when its process
    died is corrected to what the call turns out to have cost. More than was reserved is charged truthfully. `proof` is
    recorded with the charge, in its transaction, so it is there exactly once. Raises `NotFound`, `Conflict` for a released
    reservation, `Invalid` for a negative cost.
    """
    if not cost.is_finite() or cost < 0:
        raise Invalid("A cost is at least 0.", fields={"cost": ["Give an amount of at least 0."]})
    row = _find(reservation)
    try:
        ended = end_reservation(actor=actor, reservation=row, ending=Ending(usage, cost, prices, proof))
    except NotOpen:
        row = _find(reservation)
        if row.settled_at is None:
            raise Conflict(f"The reservation {row.key} was released: no call can be charged to it.") from None
        return reservation_ref(row)
    return reservation_ref(ended)


def note_progress(*, reservation: ReservationRef, usage: Usage, prices: UnitPrices) -> bool:
    """Write down how far an answer has come, should its process die; False when the reservation is open no more.

    Bookkeeping of the one who reserved, which nobody could have allowed or refused, so it is no action.
    """
    noted: dict[str, Any] = {
        "id": reservation.id,
        "tokens_in": usage.tokens_in,
        "tokens_out": usage.tokens_out,
        "price_in": prices.tokens_in,
        "price_out": prices.tokens_out,
        "price_cached": prices.tokens_cached,
    }
    with connection.cursor() as cursor:
        cursor.execute(statements.NOTE, noted)
        return bool(cursor.rowcount == 1)


def release(*, actor: Actor, reservation: ReservationRef | uuid.UUID) -> ReservationRef:
    """Give a reservation back that paid for nothing. One that has ended already is returned as it is."""
    row = _find(reservation)
    try:
        return reservation_ref(release_reservation(actor=actor, reservation=row))
    except NotOpen:
        return reservation_ref(_find(reservation))


def expire_reservations(*, actor: Actor) -> int:
    """Give back every reservation whose lease has ended (its process died), but for what had come of an answer; how many."""
    due = Reservation.objects.filter(state=ReservationState.OPEN).extra(where=["expires_at <= now()"])
    count = 0
    for row in due.order_by("expires_at")[:500]:
        try:
            expire_reservation(actor=actor, reservation=row)
        except NotOpen:
            continue
        count += 1
    return count


def _checked(key: str, amount: Decimal, scopes: Iterable[Scope], ttl_s: float) -> tuple[Scope, ...]:
    """Each scope once, the tenant's with them. Raises `Invalid`."""
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
    return unique


@governed("budget.reserve", lock=None)
def _reserve(*, actor: Actor, wanted: Wanted) -> ReservationRef:
    refuse_held(scopes=wanted.scopes, agent=actor.ref)
    counters = counters_of(wanted.scopes)
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
    asked = _parameters(made, counters, wanted)
    fits, since, until = execute_in_turn(statements.HOLD_COUNTERS, statements.RESERVE, parameters=asked)[0]
    if not fits:
        raise exceeded(counters, wanted.amount)
    if since is None:
        raise _KeyTaken
    return ReservationRef(
        id=made,
        key=wanted.key,
        amount=wanted.amount,
        state=str(ReservationState.OPEN),
        owner=wanted.owner,
        model=wanted.model,
        price_version=wanted.price_version,
        reserved_at=since,
        expires_at=until,
    )


def _parameters(made: uuid.UUID, counters: list[int], wanted: Wanted) -> dict[str, Any]:
    operation = current_operation()
    return {
        "id": made,
        "key": wanted.key,
        "amount": wanted.amount,
        "counters": counters,
        "owner": wanted.owner,
        "agent": wanted.agent,
        "model": wanted.model,
        "provider": wanted.provider,
        "price_version": wanted.price_version,
        "ttl": wanted.ttl_s,
        "trace": operation.trace_id,
        "operation": operation.id,
        **owned_by(wanted.scopes),
    }


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


def _refuse_other_call(known: Reservation, wanted: Wanted, *, take_over: bool) -> None:
    if known.state == ReservationState.COMMITTED:
        raise Conflict(f"The key {known.key} has paid for a call already.", reservation=str(known.pk))
    if take_over and known.owner == wanted.owner:
        return
    if (known.amount, known.owner, known.model) != (wanted.amount, wanted.owner, wanted.model):
        raise Conflict(f"The key {known.key} is in use for another call.", reservation=str(known.pk))


@governed("budget.renew", lock="reservation")
def _renew(*, actor: Actor, reservation: Reservation, ttl_s: float) -> Reservation:
    if reservation.state != ReservationState.OPEN:
        raise NotOpen
    parameters = {"id": reservation.pk, "ttl": ttl_s}
    renewed = "UPDATE governance_reservation SET expires_at = now() + make_interval(secs => %(ttl)s) WHERE id = %(id)s"
    (reservation.expires_at,) = execute(f"{renewed} RETURNING expires_at", parameters)[0]
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
