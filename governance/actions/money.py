"""Reserve before a call, settle after it. Every amount is US dollars; the database decides, never a cache.

Each of these is one short transaction. `reserve`, `settle` and `release` may be called again with the same key or
reservation after a crash: they answer with what the first call did.
"""

import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection

from governance.actions import statements
from governance.actions.reserving import TRIES, Wanted, ask, granted, ready, refused
from governance.actions.settlement import (
    Ending,
    NotOpen,
    abandon_reservation,
    end_reservation,
    expire_reservation,
    release_reservation,
    settle_late,
)
from governance.models import Reservation, ReservationState
from governance.pricing import UnitPrices, Usage
from governance.scopes import TENANT, Scope, agent_scopes, owned_by
from governance.selectors import reservation_ref
from governance.views import ReservationRef
from guildhall.kernel.actor import Actor, ActorKind
from guildhall.kernel.errors import Conflict, Invalid, NotFound
from guildhall.kernel.events import Event


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
    """Set `amount` aside in every limit that applies to `scopes` (the tenant's and the acting agent's always do), for
    `ttl_s` seconds.

    The same key again gives the same open reservation with a new lease. With `take_over` it is another process's that is
    gone: that one is charged as far as its answer had come, and a new reservation is made. Raises `Conflict` when the key
    has paid for a call or was used for another amount or owner, `LimitExceeded` naming the limit, what is left and until
    when, `Invalid`.
    """
    agent = agent_scopes(actor.ref) if actor.kind == ActorKind.AGENT else ()
    scopes = _checked(key, amount, [*scopes, *agent], ttl_s)
    wanted = Wanted(key, amount, scopes, owner, model, provider, price_version, ttl_s)
    ready(actor, wanted)
    for _ in range(TRIES):
        try:
            return granted(wanted, ask(actor=actor, wanted=wanted))
        except IntegrityError as error:
            if (found := refused(actor, wanted, error, take_over=take_over)) is not None:
                return found
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
    row, ending = _find(reservation), Ending(usage, cost, prices, proof)
    try:
        ended = _end(actor, row, ending)
    except NotOpen:
        row = _find(reservation)
        if row.settled_at is None:
            raise Conflict(f"The reservation {row.key} was released: no call can be charged to it.") from None
        return reservation_ref(row)
    return reservation_ref(ended)


def _end(actor: Actor, row: Reservation, ending: Ending) -> Reservation:
    try:
        return end_reservation(actor=actor, reservation=row, ending=ending)
    except NotOpen:
        return settle_late(actor=actor, reservation=row.pk, ending=ending)


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


def abandon_reservations(*, actor: Actor) -> int:
    """End every open reservation of an organisation in which nobody is at work any more; how many.

    What had come of an answer is charged, the rest is given back.
    """
    count = 0
    for row in Reservation.objects.filter(state=ReservationState.OPEN).order_by("expires_at"):
        try:
            abandon_reservation(actor=actor, reservation=row)
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


def _find(reservation: ReservationRef | uuid.UUID) -> Reservation:
    key = reservation if isinstance(reservation, uuid.UUID) else reservation.id
    row = Reservation.objects.filter(pk=key).first()
    if row is None:
        raise NotFound("There is no such reservation.")
    return row
