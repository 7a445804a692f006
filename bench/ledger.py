"""Reservations on one limit from many threads: ours against the naive ways, all with the same rows, audit and outbox.

Naive is to lock the limit's row first and write through the ORM, or to read, judge and write serializably until it works.
"""

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from itertools import count

from django.db import OperationalError, connection
from django.db.models.functions import Now

from bench.figures import judge, of, show
from bench.tenants import new_tenant
from governance.actions.limits import set_limit
from governance.actions.money import reserve
from governance.events import BudgetReserved
from governance.models import BudgetCounter, EntryKind, LedgerEntry, Reservation
from governance.scopes import ScopeKind, Window
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.operation import current_operation
from guildhall.kernel.tenancy import tenant_scope

THREADS = 16
AMOUNT = Decimal("0.0001")
SERIALIZABLE = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL "
Way = Callable[[Actor, str], None]


def run(rounds: int) -> None:
    """Print reservations per second of each way, by turns, and whether the counters are what the ledger says."""
    schema = new_tenant().schema_name
    actor = system_actor("bench", schema)
    with tenant_scope(schema):
        for window in (Window.DAY, Window.HOUR):
            set_limit(actor=actor, kind=ScopeKind.TENANT, scope_id="", window=window, amount=Decimal(100_000))
        _ours(actor, "first")
    ways: dict[str, Way] = {
        "ours": _ours,
        "naive: FOR UPDATE first, ORM": _locking,
        "naive: serializable": _serializable,
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    number = count()
    for _ in range(3):
        for name, way in ways.items():
            began = time.perf_counter()
            with ThreadPoolExecutor(THREADS) as pool:
                calls = [pool.submit(_timed, schema, actor, way, f"{next(number)}") for _ in range(rounds)]
                took[name] += [call.result() for call in calls]
            rates[name].append(rounds / (time.perf_counter() - began))
    show("reservations, one limit, 16 threads", *(of(name, times) for name, times in took.items()))
    best = {name: max(found) for name, found in rates.items()}
    for name, rate in best.items():
        judge(f"{name}, a second", rate)
    judge("ours / FOR UPDATE first", best["ours"] / best["naive: FOR UPDATE first, ORM"], at_least=3)
    judge("ours / serializable", best["ours"] / best["naive: serializable"], at_least=3)
    judge("counters apart from the ledger, USD", _apart(schema), at_most=0)


def _timed(schema: str, actor: Actor, way: Way, key: str) -> float:
    with closing(connection), tenant_scope(schema):
        began = time.perf_counter()
        way(actor, key)
        return (time.perf_counter() - began) * 1000


def _ours(actor: Actor, key: str) -> None:
    reserve(actor=actor, key=key, amount=AMOUNT, scopes=[], owner="run:1", model="m", price_version="1", ttl_s=600)


def _locking(actor: Actor, key: str) -> None:
    _naive_locking(actor=actor, key=key)


def _serializable(actor: Actor, key: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"{SERIALIZABLE}SERIALIZABLE")
    try:
        while True:
            try:
                return _naive_reading(actor=actor, key=key)
            except OperationalError:
                continue
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"{SERIALIZABLE}READ COMMITTED")


@governed("bench.naive_locking", lock=None)
def _naive_locking(*, actor: Actor, key: str) -> None:
    _write(actor, key, list(BudgetCounter.objects.select_for_update().order_by("id")))


@governed("bench.naive_reading", lock=None)
def _naive_reading(*, actor: Actor, key: str) -> None:
    _write(actor, key, list(BudgetCounter.objects.order_by("id")))


def _write(actor: Actor, key: str, counters: list[BudgetCounter]) -> None:
    if any(counter.limit - counter.spent - counter.reserved < AMOUNT for counter in counters):
        raise RuntimeError("the benchmark's limit is used up")
    made = Reservation.objects.create(
        id=uuid.uuid4(),
        key=key,
        amount=AMOUNT,
        counters=[counter.pk for counter in counters],
        owner="run:1",
        model="m",
        price_version="1",
        trace_id=current_operation().trace_id,
        expires_at=Now(),
    )
    made.refresh_from_db()
    for counter in counters:
        counter.reserved += AMOUNT
        counter.save(update_fields=["reserved"])
    LedgerEntry.objects.create(
        kind=EntryKind.RESERVE,
        reservation=made,
        reserved_delta=AMOUNT,
        owner="run:1",
        model="m",
        price_version="1",
        trace_id=made.trace_id,
        operation_id=current_operation().id,
        counted_at=made.reserved_at,
    )
    record(
        BudgetReserved(subject=made.ref, key=key, owner="run:1", amount=str(AMOUNT), model="m"),
        actor=actor,
    )


def _apart(schema: str) -> float:
    with tenant_scope(schema), connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(abs(reserved - (SELECT sum(reserved_delta) FROM governance_ledgerentry)))"
            " FROM governance_budgetcounter WHERE scope_kind = 'tenant'"
        )
        row = cursor.fetchone()
    return float(row[0]) if row else -1.0
