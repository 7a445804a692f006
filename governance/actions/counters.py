"""The counters of the limits that apply to some scopes: found, made, and asked how tight they are."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from governance.actions import statements
from governance.events import dollars
from governance.scopes import Scope, ScopeKind
from governance.windows import window_end
from guildhall.kernel.errors import LimitExceeded
from guildhall.kernel.tenancy import current_tenant

READY_KEPT = 20_000
_ready: set[tuple[str, datetime, Scope]] = set()
"""Tenant, hour and scope whose counters this process has found or made."""


def execute(statement: str, parameters: dict[str, Any] | Sequence[Any]) -> list[Any]:
    """The rows that a statement gives."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[Any] = cursor.fetchall()
        return found


def execute_in_turn(*in_turn: str, parameters: dict[str, Any]) -> list[Any]:
    """The rows of the last of several statements, sent together; each sees what the ones before it waited for."""
    with connection.cursor() as cursor:
        cursor.execute(";".join(in_turn), parameters)
        for _ in in_turn[1:]:
            cursor.nextset()
        found: list[Any] = cursor.fetchall()
        return found


def counters_of(scopes: Sequence[Scope]) -> list[int]:
    """Ids of the counters of all limits that apply now, made where this is the first reservation of a window."""
    parameters = {"kinds": [str(scope.kind) for scope in scopes], "ids": [scope.id for scope in scopes]}
    rows = execute_in_turn(statements.KEEP_LIMITS, statements.APPLYING, parameters=parameters)
    if any(row[5] is None for row in rows):
        for scope in sorted(scopes, key=str):
            execute(statements.HOLD_LIMITS, {"kinds": [str(scope.kind)], "id": scope.id})
        missing = [counter for *counter, known in execute(statements.APPLYING, parameters) if known is None]
        made: dict[str, list[int]] = {}
        for counter in missing:
            made.setdefault(counter[0], []).extend(row[0] for row in execute(statements.MAKE_COUNTER, counter))
        count_anew(made)
        rows = execute(statements.APPLYING, parameters)
    return [row[5] for row in rows]


def count_anew(counters: Mapping[str, Sequence[int]], amount: Decimal | None = None) -> None:
    """Put into counters, by their kind, what the ledger and open reservations say, and another limit where one is given.

    For those that are made after money was spent, and those that counted nothing for a while. Whoever calls this has made
    all of them before, in the order of `APPLYING`, or holds the lock that keeps reservations out.
    """
    every = [pk for kind in counters.values() for pk in kind]
    if not every:
        return
    with connection.cursor() as cursor:
        cursor.execute(statements.KEEP_CORRECTIONS_OUT)
        cursor.execute(statements.JOIN_OPEN, {"counters": every})
    for kind, mine in counters.items():
        scope = ScopeKind(kind)
        own = "TRUE" if scope == ScopeKind.TENANT else statements.OWNED[scope]
        anew = statements.COUNT_ANEW.format(own=own)
        execute_in_turn(statements.HOLD_COUNTERS, anew, parameters={"counters": list(mine), "amount": amount})


def counting_now(scopes: Sequence[Scope], at: datetime) -> list[int]:
    """Ids of all counters that there are by now of `scopes` in the windows that `at` belongs to."""
    kinds, ids = [str(scope.kind) for scope in scopes], [scope.id for scope in scopes]
    return [pk for (pk,) in execute(statements.COUNTING, {"kinds": kinds, "ids": ids, "at": at})]


def ready_counters(scopes: Sequence[Scope]) -> None:
    """Make what is missing of the counters before the hour's first reservation of this process for these scopes.

    The database refuses a reservation without them by an error, which its log would tell as one. What is remembered here
    saves asking and decides nothing: where it is wrong, the reservation is refused and they are made then.
    """
    hour, tenant = datetime.now(UTC).replace(minute=0, second=0, microsecond=0), current_tenant()
    wanted = {(tenant, hour, scope) for scope in scopes}
    if wanted <= _ready:
        return
    make_counters(scopes)
    if len(_ready) > READY_KEPT:
        _ready.clear()
    _ready.update(wanted)


def make_counters(scopes: Sequence[Scope]) -> None:
    """Make what is missing of the counters that apply now; bookkeeping, so no action. Raises `LimitExceeded` without any."""
    with transaction.atomic():
        if not counters_of(scopes):
            raise LimitExceeded("No budget is set for this organisation, so nothing can be spent.", limit="", left="0")


def refuse_beyond(scopes: Sequence[Scope], used: Callable[[Scope], Decimal]) -> None:
    """Raises `LimitExceeded` where a limit of `scopes` leaves less than what its scope has `used` without a charge yet.

    In US dollars; the limit that lacks most is told. Nothing is reserved. Without any limit nothing is refused.
    """
    parameters = {"kinds": [str(scope.kind) for scope in scopes], "ids": [scope.id for scope in scopes]}
    applying = execute(statements.APPLYING, parameters)
    standing = {row[0]: row[1:] for row in execute(statements.STANDING, {"counters": [row[5] for row in applying]})}
    # Once for each scope, in however many windows it is limited.
    known = {scope: used(Scope(ScopeKind(scope[0]), scope[1])) for scope in {(row[0], row[1]) for row in applying}}
    short: list[tuple[Decimal, dict[str, Any], Decimal]] = []
    for kind, scope_id, window, starts, amount, counter in applying:
        limit, left = standing.get(counter, (amount, amount))
        wanted = known[kind, scope_id]
        about = {"scope_kind": kind, "scope_id": scope_id, "window": window, "limit": limit, "left": left}
        short.append((left - wanted, {**about, "window_start": starts.isoformat()}, wanted))
    lacking, about, wanted = min(short, key=lambda one: one[0], default=(Decimal(0), {}, Decimal(0)))
    if lacking < 0:
        raise _exceeded(about, wanted)


def exceeded(tightest: str, amount: Decimal) -> LimitExceeded:
    """What to say when `amount` does not fit: the tightest limit (the database's detail), what is left, until when."""
    return _exceeded(json.loads(tightest, parse_float=Decimal, parse_int=Decimal), amount)


def _exceeded(about: Mapping[str, Any], amount: Decimal) -> LimitExceeded:
    kind, scope_id, window, limit = (about[name] for name in ("scope_kind", "scope_id", "window", "limit"))
    room = max(about["left"], Decimal(0))
    start = datetime.fromisoformat(about["window_start"])
    until = window_end(window, start)
    name = f"the {window} limit of {kind} {scope_id}".rstrip()
    when = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "for good, unless the limit is raised"
    return LimitExceeded(
        f"{dollars(str(room))} of {dollars(str(limit))} is left in {name} {when}; this needs up to {dollars(str(amount))}.",
        limit=name,
        scope_kind=kind,
        scope_id=scope_id,
        window=window,
        window_start=start.isoformat(),
        of=str(limit),
        left=str(room),
        amount=str(amount),
        until=until.isoformat() if until else None,
    )
