"""A process of its own that spends: `python -m governance.tests.spender SCHEMA MODE PREFIX COUNT AMOUNT TTL`.

`race` reserves COUNT times from 8 threads, settles every second one, and prints how many it got; `hold` reserves once,
says so, and waits to be killed.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import django


def spend(schema: str, key: str, amount: str, ttl: str, *, keep: bool) -> bool:
    """Whether the reservation was granted."""
    from django.db import connection

    from governance.actions.money import reserve, settle
    from governance.pricing import Usage
    from governance.scopes import Scope, ScopeKind
    from guildhall.kernel.actor import system_actor
    from guildhall.kernel.errors import LimitExceeded
    from guildhall.kernel.tenancy import tenant_scope

    actor = system_actor("spender", schema)
    try:
        with tenant_scope(schema):
            reservation = reserve(
                actor=actor,
                key=key,
                amount=Decimal(amount),
                scopes=[Scope(ScopeKind.RUN, key)],
                owner=f"run:{key}",
                model="small",
                price_version="1",
                ttl_s=float(ttl),
            )
            if not keep:
                settle(actor=actor, reservation=reservation, usage=Usage(10, 10), cost=Decimal(amount) / 2)
            return True
    except LimitExceeded:
        return False
    finally:
        connection.close()


def main() -> None:
    django.setup()
    schema, mode, prefix, count, amount, ttl = sys.argv[1:]
    if mode == "hold":
        spend(schema, prefix, amount, ttl, keep=True)
        sys.stdout.write("reserved\n")
        sys.stdout.flush()
        sys.stdin.read()
        return
    keys = [f"{prefix}-{number}" for number in range(int(count))]
    with ThreadPoolExecutor(8) as pool:
        granted = list(pool.map(lambda key: spend(schema, key, amount, ttl, keep=key[-1] in "02468"), keys))
    sys.stdout.write(f"{sum(granted)}\n")
    from guildhall.kernel.postgres.base import close_pools

    close_pools()


if __name__ == "__main__":
    main()
