"""A reservation is one statement that goes with its COMMIT, and this is what is told where the database refuses it."""

import json
import uuid
from dataclasses import dataclass
from decimal import Decimal

import psycopg
from django.db import IntegrityError

from governance.actions import statements
from governance.actions.counters import exceeded, execute, make_counters, ready_counters
from governance.actions.settlement import NotOpen, abandon_reservation
from governance.events import BudgetRefused, BudgetReserved
from governance.models import Reservation, ReservationState
from governance.scopes import Scope, owned_by
from governance.selectors import reservation_ref
from governance.selectors.holds import refuse_held
from governance.views import ReservationRef
from guildhall.kernel.actions import LastStatement, end_with, governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, LimitExceeded
from guildhall.kernel.operation import current_operation

TRIES = 4
"""For a key that others come and go with, and a window that begins meanwhile."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reservation is asked for."""

    key: str
    amount: Decimal
    scopes: tuple[Scope, ...]
    owner: str
    model: str
    provider: str
    price_version: str
    ttl_s: float


def ready(actor: Actor, wanted: Wanted) -> None:
    """Have the counters that a reservation needs. Raises what the caller is told where no limit is set at all."""
    try:
        ready_counters(wanted.scopes)
    except LimitExceeded as refusal:
        _refuse(actor=actor, wanted=wanted, refusal=refusal)
        raise


def refused(actor: Actor, wanted: Wanted, error: IntegrityError, *, take_over: bool) -> ReservationRef | None:
    """The reservation that has the key already, or None where it is worth trying again. Raises what the caller is told."""
    said = error.__cause__.diag if isinstance(error.__cause__, psycopg.Error) else None
    try:
        match said and said.constraint_name:
            case "reservation_key_once":
                return _known(actor, wanted, take_over=take_over)
            case "budget_counter_made":
                make_counters(wanted.scopes)
                return None
            case "budget_room":
                raise exceeded((said and said.message_detail) or "", wanted.amount) from None
            case _:
                raise error
    except LimitExceeded as refusal:
        _refuse(actor=actor, wanted=wanted, refusal=refusal)
        raise


def _known(actor: Actor, wanted: Wanted, *, take_over: bool) -> ReservationRef | None:
    """The open reservation of the same call with a new lease; None where its key has become free."""
    known = Reservation.objects.filter(
        key=wanted.key, state__in=[ReservationState.OPEN, ReservationState.COMMITTED]
    ).first()
    if known is None:
        return None
    _refuse_other_call(known, wanted, take_over=take_over)
    try:
        if take_over:
            abandon_reservation(actor=actor, reservation=known)
            return None
        return reservation_ref(_renew(actor=actor, reservation=known, ttl_s=wanted.ttl_s))
    except NotOpen:
        return None


@governed("budget.reserve", lock=None)
def ask(*, actor: Actor, wanted: Wanted) -> tuple[uuid.UUID, LastStatement]:
    """The number of a reservation, and what gives its times once this has returned. Raises IntegrityError where it is refused."""
    refuse_held(scopes=wanted.scopes, agent=actor.ref)
    made = uuid.uuid4()
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
    # Last, and with its commit: it locks the tenant's counters.
    return made, end_with(statements.RESERVE, {"asked": _asked(made, wanted)})


def _asked(made: uuid.UUID, wanted: Wanted) -> str:
    """What `governance_reserve` is asked for, as JSON. Amounts are text, which numeric reads to the last digit."""
    operation = current_operation()
    return json.dumps(
        {
            "id": str(made),
            "key": wanted.key,
            "amount": f"{wanted.amount:f}",
            "scopes": [{"kind": str(scope.kind), "id": scope.id} for scope in wanted.scopes],
            "owner": wanted.owner,
            "model": wanted.model,
            "provider": wanted.provider,
            "price_version": wanted.price_version,
            "ttl": wanted.ttl_s,
            "trace": operation.trace_id,
            "operation": operation.id,
            **owned_by(wanted.scopes),
        }
    )


def granted(wanted: Wanted, made: tuple[uuid.UUID, LastStatement]) -> ReservationRef:
    """The reservation that `ask` has made."""
    number, last = made
    ((since, until),) = last.rows
    return ReservationRef(
        id=number,
        key=wanted.key,
        amount=wanted.amount,
        state=str(ReservationState.OPEN),
        owner=wanted.owner,
        model=wanted.model,
        price_version=wanted.price_version,
        reserved_at=since,
        expires_at=until,
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
