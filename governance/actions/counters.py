"""The counters of the limits that apply to some scopes: found, made, and asked how tight they are."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db import connection

from governance.actions import statements
from governance.events import dollars
from governance.scopes import Scope
from governance.windows import window_end
from guildhall.kernel.errors import LimitExceeded


def execute(statement: str, parameters: dict[str, Any]) -> list[Any]:
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
        for *counter, known in execute(statements.APPLYING, parameters):
            if known is None:
                with connection.cursor() as cursor:
                    cursor.execute(statements.MAKE_COUNTER, counter)
        rows = execute(statements.APPLYING, parameters)
    return [row[5] for row in rows]


def exceeded(counters: list[int], amount: Decimal) -> LimitExceeded:
    """What to say when `amount` does not fit: the tightest limit, what is left of it, and until when."""
    kind, scope_id, window, start, limit, room = execute(statements.TIGHTEST, {"counters": counters})[0]
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
