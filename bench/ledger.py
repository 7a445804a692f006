"""Reservations on one limit from many writers: ours against the naive ways, all with the same rows, audit and outbox.

All ask the kill switches first, find two limits of the organisation (a day's and an hour's), and are on disk when they
return; all start from the same pool, and take turns on one tenant. Naive is to lock the limits' rows before anything else,
in plain SQL with a statement for each step or through the ORM, or to read, judge and write serializably until it works.
Ours writes first, locks last, and sends the COMMIT along: the locks wait for no client and for no disk, only the caller does.
Writers are threads of several processes, as workers are; each has its connection, and the clock runs once all are at it.
"""

import json
import statistics
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any, TextIO

from django.db import OperationalError, connection
from django.db.models.functions import Now

from bench.figures import judge, of, show
from bench.tenants import new_tenant
from governance.actions.limits import set_limit
from governance.actions.money import reserve
from governance.events import BudgetReserved
from governance.models import BudgetCounter, EntryKind, LedgerEntry, Reservation
from governance.scopes import ScopeKind, Window
from governance.selectors.holds import refuse_held
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.operation import current_operation
from guildhall.kernel.tenancy import tenant_scope
from tests.support.mortal import child_of

TURNS = 5
PROCESSES = 4
THREADS = 4
AMOUNT = Decimal("0.0001")
SERIALIZABLE = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL "
LOCK = """
SELECT id, "limit" - spent - reserved FROM governance_budgetcounter ORDER BY id FOR UPDATE
"""
STEPS = (
    """
INSERT INTO governance_reservation (id, key, amount, counters, project, strategy, story, task, run, api_key, owner, model,
    price_version, trace_id, expires_at)
VALUES (%(id)s, %(key)s, %(amount)s, %(counters)s, '', '', '', '', '', '', 'run:1', 'm', '1', %(trace)s, now())
""",
    "UPDATE governance_budgetcounter SET reserved = reserved + %(amount)s WHERE id = ANY(%(counters)s)",
    """
INSERT INTO governance_ledgerentry (kind, reservation_id, reserved_delta, owner, project, strategy, story, task, run, api_key,
    model, price_version, reason, trace_id, operation_id, counted_at)
SELECT 'reserve', id, amount, owner, '', '', '', '', '', '', model, price_version, '', trace_id, %(operation)s, reserved_at
FROM governance_reservation WHERE id = %(id)s
""",
)
Way = Callable[[Actor, str], None]
_numbers = count()


def run(rounds: int) -> None:
    """Print reservations per second of each way, by turns, and whether the counters are what the ledger says."""
    schema = new_tenant().schema_name
    actor = system_actor("bench", schema)
    with tenant_scope(schema):
        for window in (Window.DAY, Window.HOUR):
            set_limit(actor=actor, kind=ScopeKind.TENANT, scope_id="", window=window, amount=Decimal(100_000))
    ways: dict[str, Way] = {
        "ours": _ours,
        "naive: FOR UPDATE first, SQL": _locking_in_sql,
        "naive: FOR UPDATE first, ORM": _locking,
        "naive: serializable": _serializable,
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    each = max(1, rounds // (PROCESSES * THREADS))
    for _ in range(TURNS):
        for name, way in ways.items():
            times, seconds = _race(schema, way, each)
            took[name] += times
            rates[name].append(len(times) / seconds)
    show(
        f"reservations, one limit, {PROCESSES} × {THREADS} writers", *(of(name, times) for name, times in took.items())
    )
    for name, found in rates.items():
        judge(f"{name}, a second", statistics.median(found))
    for name in list(ways)[1:]:
        by_turn = [ours / theirs for ours, theirs in zip(rates["ours"], rates[name], strict=True)]
        judge(f"ours / {name.removeprefix('naive: ')}, the median turn", statistics.median(by_turn), at_least=3)
    judge("counters apart from the ledger, USD", _apart(schema), at_most=0)


def _race(schema: str, way: Way, each: int) -> tuple[list[float], float]:
    """Milliseconds of each reservation, and seconds from the first's begin to the last's end."""
    racers = [child_of(partial(_reserving, schema, way, each, next(_numbers))) for _ in range(PROCESSES)]
    for racer in racers:
        racer.go()
    told = [json.loads(racer.rest()) for racer in racers]
    times = [took for one in told for took in one["times"]]
    return times, max(one["ended"] for one in told) - min(one["began"] for one in told)


def _reserving(schema: str, way: Way, each: int, number: int, out: TextIO) -> None:
    """Reserve `each` times in each of the threads, once each before that, which does not count."""
    actor = system_actor("bench", schema)

    def reserving(thread: int) -> tuple[float, list[float]]:
        with closing(connection), tenant_scope(schema):
            way(actor, f"{number}.{thread}.first")
            began = time.time()
            times = []
            for turn in range(each):
                at = time.perf_counter()
                way(actor, f"{number}.{thread}.{turn}")
                times.append((time.perf_counter() - at) * 1000)
            return began, times

    with ThreadPoolExecutor(THREADS) as pool:
        told = list(pool.map(reserving, range(THREADS)))
    json.dump(
        {
            "began": min(began for began, _ in told),
            "ended": time.time(),
            "times": [took for _, times in told for took in times],
        },
        out,
    )


def _ours(actor: Actor, key: str) -> None:
    reserve(actor=actor, key=key, amount=AMOUNT, scopes=[], owner="run:1", model="m", price_version="1", ttl_s=600)


def _locking_in_sql(actor: Actor, key: str) -> None:
    _naive_sql(actor=actor, key=key)


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


@governed("bench.naive_sql", lock=None)
def _naive_sql(*, actor: Actor, key: str) -> None:
    refuse_held(scopes=[], agent=actor.ref)
    made, operation = uuid.uuid4(), current_operation()
    about: dict[str, Any] = {
        "id": made,
        "key": key,
        "amount": AMOUNT,
        "trace": operation.trace_id,
        "operation": operation.id,
    }
    with connection.cursor() as cursor:
        cursor.execute(LOCK)
        found = cursor.fetchall()
        if any(room < AMOUNT for _, room in found):
            raise RuntimeError("the benchmark's limit is used up")
        about["counters"] = [number for number, _ in found]
        for statement in STEPS:
            cursor.execute(statement, about)
    record(
        BudgetReserved(subject=f"reservation:{made}", key=key, owner="run:1", amount=str(AMOUNT), model="m"),
        actor=actor,
    )


@governed("bench.naive_locking", lock=None)
def _naive_locking(*, actor: Actor, key: str) -> None:
    refuse_held(scopes=[], agent=actor.ref)
    _write(actor, key, list(BudgetCounter.objects.select_for_update().order_by("id")))


@governed("bench.naive_reading", lock=None)
def _naive_reading(*, actor: Actor, key: str) -> None:
    refuse_held(scopes=[], agent=actor.ref)
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
