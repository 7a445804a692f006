"""What several governance tests look at."""

import os
import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import connection

from governance.views import ReservationRef
from guildhall.kernel.tenancy import current_tenant, tenant_scope
from tests.support.tenants import TestTenant


def rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def counters_equal_entries() -> None:
    """The tenant's own counters are what the ledger sums up to, and within the limit but for an explained overrun."""
    [(reserved, spent)] = rows("SELECT sum(reserved_delta), sum(spent_delta) FROM governance_ledgerentry")
    counters = rows("SELECT reserved, spent FROM governance_budgetcounter WHERE scope_kind = 'tenant'")
    assert counters, "no counter of the tenant"
    assert {*counters} == {(reserved, spent)}
    tasks = rows(
        "SELECT c.reserved, c.spent, sum(e.reserved_delta), sum(e.spent_delta) FROM governance_budgetcounter c"
        " JOIN governance_ledgerentry e ON e.task = c.scope_id"
        " WHERE c.scope_kind = 'task' GROUP BY c.id, c.reserved, c.spent"
    )
    assert all(task[:2] == task[2:] for task in tasks)


def kinds_recorded(tenant: TestTenant) -> list[str]:
    """Kinds of all events of the tenant, in order."""
    with tenant_scope(tenant.schema):
        return [str(kind) for (kind,) in rows("SELECT kind FROM outbox_event ORDER BY id")]


def an_hour_passes() -> None:
    """All that was spent and reserved so far was so a month ago: past the triggers, as only the owner's login can."""
    month = "interval '30 days'"
    with psycopg.connect(os.environ["DATABASE_ADMIN_URL"]) as owner:
        owner.execute(f"SET search_path = {current_tenant()}")
        for table, column in (("reservation", "reserved_at"), ("ledgerentry", "counted_at")):
            owner.execute(f"ALTER TABLE governance_{table} DISABLE TRIGGER USER")
            owner.execute(f"UPDATE governance_{table} SET {column} = {column} - {month}")
            owner.execute(f"ALTER TABLE governance_{table} ENABLE TRIGGER USER")
        owner.execute(
            f"UPDATE governance_budgetcounter SET window_start = window_start - {month} WHERE \"window\" <> 'total'"
        )


def let_leases_end(*reservations: ReservationRef) -> None:
    """Return when the database's clock says that these leases are over."""
    last = max(reservation.expires_at for reservation in reservations)
    until(lambda: bool(rows("SELECT clock_timestamp() > %s", last)[0][0]))


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Return as soon as `condition` holds; fail when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
