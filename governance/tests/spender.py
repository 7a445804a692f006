"""What a process of its own does that spends."""

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TextIO

from django.db import connection

from governance.actions.money import reserve, settle
from governance.pricing import Usage
from governance.scopes import Scope, ScopeKind
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.errors import LimitExceeded
from guildhall.kernel.tenancy import tenant_scope


def spend(
    schema: str, key: str, amount: str, ttl: float, *, keep: bool, api_key: str = "", actor: Actor | None = None
) -> bool:
    """Whether the reservation was granted; with `api_key` it is of work that was begun through that key."""
    actor = actor or system_actor("spender", schema)
    try:
        with tenant_scope(schema):
            reservation = reserve(
                actor=actor,
                key=key,
                amount=Decimal(amount),
                scopes=[Scope(ScopeKind.RUN, key), *([Scope(ScopeKind.API_KEY, api_key)] if api_key else [])],
                owner=f"run:{key}",
                model="small",
                price_version="1",
                ttl_s=ttl,
            )
            if not keep:
                settle(actor=actor, reservation=reservation, usage=Usage(10, 10), cost=Decimal(amount) / 2)
            return True
    except LimitExceeded:
        return False
    finally:
        connection.close()


def race(schema: str, prefix: str, count: int, amount: str, out: TextIO, *, api_key: str = "") -> None:
    """Reserve `count` times from 8 threads, settle every second one, and write how many were granted."""
    keys = [f"{prefix}-{number}" for number in range(count)]
    with ThreadPoolExecutor(8) as pool:
        granted = list(
            pool.map(lambda key: spend(schema, key, amount, 600, keep=key[-1] in "02468", api_key=api_key), keys)
        )
    out.write(f"{sum(granted)}\n")


def hold(schema: str, key: str, amount: str, ttl: float, out: TextIO) -> None:
    """Reserve once, say so, and wait to be killed (a minute at most, should nobody come)."""
    spend(schema, key, amount, ttl, keep=True)
    out.write("reserved\n")
    threading.Event().wait(60)
