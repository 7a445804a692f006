"""Charges without a call to a model: compute time, storage, and corrections."""

import uuid
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum
from django.db.models.functions import Now

from governance.actions.counters import counters_of
from governance.actions.settlement import Ending, NotOpen, correct, enter, hold_ended, move
from governance.budget_events import UseCharged
from governance.events import dollars
from governance.models import CostKind, Difference, EntryKind, LedgerEntry, Reservation, ReservationState
from governance.pricing import NOTHING, UnitPrices, Usage, use_cost
from governance.scopes import TENANT, Scope, agent_scopes, owned_by
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid, NotFound, Stale
from guildhall.kernel.operation import current_operation
from guildhall.kernel.reasons import reason_problems

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Use:
    """Seconds of compute or GiB of storage that somebody used. `key` is charged once; `resource` says what it was."""

    key: str
    kind: str
    quantity: Decimal
    unit_price: Decimal
    price_version: str
    owner: str
    agent: str
    resource: str
    scopes: tuple[Scope, ...]


def charge_use(*, actor: Actor, use: Use) -> Decimal:
    """Charge what was used already, truthfully, once per key; US dollars. Limits count it and may be passed by it."""
    if use.kind not in (CostKind.COMPUTE, CostKind.STORAGE):
        raise Invalid("This is not charged by use.", fields={"kind": ["Choose compute or storage."]})
    if not use.quantity.is_finite() or use.quantity < 0:
        raise Invalid("Nothing less than 0 is used.", fields={"quantity": ["Give at least 0."]})
    known = Reservation.objects.filter(key=use.key, state=ReservationState.COMMITTED).first()
    if known is None:
        known = _charge_use(actor=actor, use=use)
    return known.cost or ZERO


@governed("budget.charge_use", lock=None)
def _charge_use(*, actor: Actor, use: Use) -> Reservation:
    scopes = tuple(dict.fromkeys([TENANT, *use.scopes, *agent_scopes(use.agent)]))
    cost = use_cost(use.quantity, use.unit_price)
    made = uuid.uuid4()
    record(
        UseCharged(
            subject=f"reservation:{made}",
            key=use.key,
            owner=use.owner,
            cost_kind=use.kind,
            quantity=f"{use.quantity:f}",
            unit_price=f"{use.unit_price:f}",
            cost=f"{cost:f}",
        ),
        actor=actor,
    )
    row = Reservation.objects.create(
        id=made,
        key=use.key,
        amount=ZERO,
        state=ReservationState.COMMITTED,
        counters=counters_of(scopes),
        **owned_by(scopes),
        owner=use.owner,
        cost_kind=use.kind,
        model=use.resource,
        price_version=use.price_version,
        trace_id=current_operation().trace_id,
        expires_at=Now(),
        settled_at=Now(),
        cost=cost,
    )
    row.refresh_from_db()
    ending = Ending(NOTHING, cost, None, quantity=use.quantity, unit_price=use.unit_price)
    enter(row, EntryKind.COMMIT, free=ZERO, ending=ending, reason="")
    move(actor, row, free=ZERO, cost=cost)
    return row


def adjust_cost(*, actor: Actor, reservation: uuid.UUID, charged: Decimal, cost: Decimal, reason: str) -> Decimal:
    """A person sets what a call has cost in the end, with a reason; the ledger gets a line of the difference.

    `charged` is what it cost as they saw it. A call that was given back or never heard of again is charged late by this, once.
    Returns the difference in US dollars. Raises `NotFound`, `Invalid`, `Stale` when it is charged otherwise by now (also by
    the same request sent twice), `Conflict` for a call that is under way or costs that already.
    """
    problems: dict[str, list[str]] = {}
    if not cost.is_finite() or cost < 0:
        problems["cost"] = ["Give an amount of at least 0."]
    if wrong := reason_problems(reason):
        problems["reason"] = wrong
    if problems:
        raise Invalid("This cannot be adjusted.", fields=problems)
    if not Reservation.objects.filter(pk=reservation).exists():
        raise NotFound("There is no such charge.")
    return _adjust(actor=actor, reservation=reservation, charged=charged, cost=cost, reason=reason.strip())


@governed("budget.adjust", lock=None)
def _adjust(*, actor: Actor, reservation: uuid.UUID, charged: Decimal, cost: Decimal, reason: str) -> Decimal:
    row = hold_ended(reservation)
    if row.state == ReservationState.OPEN:
        raise Conflict("This call is under way; it is charged when it ends.")
    before = row.cost or ZERO
    if charged != before:
        raise Stale(f"This is charged {dollars(str(before))} by now; look at it once more.")
    if cost == before:
        raise Conflict("This is what it was charged already.")
    usage = _counted(row) if row.settled_at is None else _paid(row)
    correct(actor, row, Ending(usage, cost, None), reason)
    return cost - before


def _paid(row: Reservation) -> Usage:
    paid = LedgerEntry.objects.filter(reservation=row).aggregate(
        read=Sum("tokens_in", default=0), written=Sum("tokens_out", default=0), cached=Sum("tokens_cached", default=0)
    )
    return Usage(paid["read"], paid["written"], paid["cached"])


def _counted(row: Reservation) -> Usage:
    """What the provider counted last for a call that was never charged."""
    told = Difference.objects.filter(reservation=row.pk).order_by("-id").first()
    return Usage(told.tokens_in, told.tokens_out, told.tokens_cached) if told else NOTHING


@governed("budget.correct_estimate", lock=None)
def correct_estimate(*, actor: Actor, reservation: uuid.UUID, usage: Usage, cost: Decimal, prices: UnitPrices) -> None:
    """Put an estimated charge right by the provider's own count, once. Raises `NotOpen` for one that is no estimate."""
    row = hold_ended(reservation)
    if row.settled_at is None or not row.provisional:
        raise NotOpen
    correct(actor, row, Ending(usage, cost, prices), f"counted by {row.provider or 'its provider'}")
