"""Money when many spend at once and when a spender dies: processes of their own, the application's own login."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import connection

from governance.actions.limits import set_limit
from governance.actions.money import expire_reservations, reserve
from governance.scopes import ScopeKind, Window
from governance.selectors import budgets, total_spent
from governance.tests.spender import hold, race, spend
from governance.tests.tools import counters_equal_entries, rows, until
from guildhall.kernel.tenancy import tenant_scope
from tests.support.mortal import child_of
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


def test_many_at_once_never_overspend(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        for window in (Window.DAY, Window.HOUR):
            set_limit(actor=tenant.system(), kind=ScopeKind.TENANT, scope_id="", window=window, amount=Decimal("0.15"))
    names = [f"p{number}" for number in range(4)]
    racers = [child_of(partial(race, tenant.schema, name, 25, "0.01")) for name in names]
    for racer in racers:
        racer.go()
    granted = [int(racer.rest()) for racer in racers]
    with tenant_scope(tenant.schema):
        counters_equal_entries()
        [(promised, spent)] = rows(
            "SELECT sum(amount) FILTER (WHERE state = 'open'), sum(cost) FILTER (WHERE state = 'committed')"
            " FROM governance_reservation"
        )
        assert (promised or 0) + (spent or 0) <= Decimal("0.15")
        assert total_spent() == (spent or 0)
        made = rows("SELECT count(*) FROM governance_reservation")[0][0]
        assert sum(granted) == made
        assert 15 <= int(str(made)) < 100
        [(entries,)] = rows("SELECT count(*) FROM governance_ledgerentry WHERE kind = 'reserve'")
        assert entries == made
        assert rows("SELECT max(overrun) FROM governance_budgetcounter") == [(0,)]


def test_the_reservation_of_a_killed_process_is_given_back(tenant: TestTenant) -> None:
    victim = child_of(partial(hold, tenant.schema, "held", "0.40", 1.0))
    victim.go()
    assert victim.stdout.readline() == "reserved\n"
    with tenant_scope(tenant.schema):
        assert {budget.reserved for budget in budgets(kind=ScopeKind.TENANT)} == {Decimal("0.40")}
    victim.kill()
    victim.rest()
    with tenant_scope(tenant.schema):
        until(lambda: expire_reservations(actor=tenant.system()) == 1)
        assert {budget.reserved for budget in budgets()} == {0}
        counters_equal_entries()


def test_a_limit_that_is_set_while_somebody_reserves_counts_what_they_reserve(tenant: TestTenant) -> None:
    """Whoever reserves has looked which limits there are, and waits for a counter, when a limit of their own is set."""

    def set_own() -> None:
        with closing(connection), tenant_scope(tenant.schema):
            set_limit(
                actor=tenant.system(), kind=ScopeKind.RUN, scope_id="7", window=Window.TOTAL, amount=Decimal("0.05")
            )

    assert spend(tenant.schema, "first", "0.01", 600, keep=False)
    login = os.environ["DATABASE_ADMIN_URL"]
    with (
        psycopg.connect(login, autocommit=True) as watch,
        ThreadPoolExecutor(2) as pool,
        psycopg.connect(login) as blocker,
    ):

        def waiting() -> object:
            [(number,)] = watch.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchall()
            return number

        blocker.execute(f'SELECT id FROM "{tenant.schema}".governance_budgetcounter FOR UPDATE')
        reserving = pool.submit(spend, tenant.schema, "7", "0.04", 600, keep=True)
        until(lambda: waiting() == 1)
        setting = pool.submit(set_own)
        until(lambda: setting.done() or waiting() == 2)
        blocker.rollback()
        assert reserving.result()
        setting.result()
    with tenant_scope(tenant.schema):
        [own] = budgets(kind=ScopeKind.RUN)
        assert (own.reserved, own.left) == (Decimal("0.04"), Decimal("0.01"))
        counters_equal_entries()


def test_a_keys_limit_holds_for_all_that_it_began_and_for_nothing_else(
    tenant: TestTenant, other_tenant: TestTenant
) -> None:
    for one in (tenant, other_tenant):
        with tenant_scope(one.schema):
            for window in Window:
                set_limit(
                    actor=one.system(), kind=ScopeKind.API_KEY, scope_id="7", window=window, amount=Decimal("0.05")
                )
    asked = [(tenant, "7"), (tenant, "7"), (tenant, "8"), (other_tenant, "7")]
    racers = [
        child_of(partial(race, one.schema, f"p{number}", 12, "0.01", api_key=key))
        for number, (one, key) in enumerate(asked)
    ]
    for racer in racers:
        racer.go()
    first, second, unlimited, elsewhere = (int(racer.rest()) for racer in racers)
    assert unlimited == 12
    for one, granted in ((tenant, first + second), (other_tenant, elsewhere)):
        with tenant_scope(one.schema):
            [(used, made)] = rows(
                "SELECT sum(coalesce(cost, amount)), count(*) FROM governance_reservation WHERE api_key = '7'"
            )
            assert used <= Decimal("0.05")
            assert 5 <= granted == made < 24, "settled at half of what was reserved"
            own = budgets(kind=ScopeKind.API_KEY)
            assert {(limit.scope_id, limit.reserved + limit.spent) for limit in own} == {("7", used)}
            assert {limit.window for limit in own} == {"hour", "day", "total"}
            counters_equal_entries()


def test_what_is_reserved_is_on_disk_when_the_caller_hears_of_it(tenant: TestTenant) -> None:
    """Locks are let go before that; so the answer has to wait for it. (These servers write without waiting, unless told.)"""
    before: list[str] = []

    def note(execute: Callable[..., object], sql: str, *about: Any) -> object:
        if "governance_reserve" in sql:
            with closing(connection.connection.cursor()) as own:
                before.extend(row[0] for row in own.execute("SELECT pg_current_wal_insert_lsn()::text").fetchall())
        return execute(sql, *about)

    with tenant_scope(tenant.schema):
        rows("SELECT set_config('synchronous_commit', 'on', false)")
        try:
            with connection.execute_wrapper(note):
                for number in range(5):
                    reserve(
                        actor=tenant.system(),
                        key=f"kept-{number}",
                        amount=Decimal("0.01"),
                        scopes=[],
                        owner="run:7",
                        model="small",
                        price_version="1",
                        ttl_s=600,
                    )
                    assert rows("SELECT pg_current_wal_flush_lsn() > %s::pg_lsn", before[-1]) == [(True,)]
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET synchronous_commit")
    assert len(before) >= 5
