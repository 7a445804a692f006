"""Limits that begin to count after money was spent: by default, again, or while calls are under way."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import connection

from governance.actions.charges import adjust_cost
from governance.actions.limits import remove_limit, set_limit
from governance.actions.money import expire_reservations, note_progress, release, reserve, settle
from governance.pricing import UnitPrices, Usage
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import budgets
from governance.tests.tools import let_leases_end, rows, until
from governance.views import BudgetView, ReservationRef
from guildhall.kernel.errors import LimitExceeded
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
PRICES = UnitPrices(Decimal("0.10"), Decimal("0.40"), Decimal("0.05"))
STORY, RUN = ScopeKind.STORY, ScopeKind.RUN


class Till:
    """The money of one organisation that may spend a lot; everything is for story S unless it says otherwise."""

    def __init__(self, tenant: TestTenant) -> None:
        self.tenant, self.admin = tenant, tenant.actor("admin")
        with tenant.scope():
            for window in (Window.HOUR, Window.DAY):
                self.limit(ScopeKind.TENANT, "", "100", window)

    def limit(self, kind: ScopeKind, scope_id: str, amount: str, window: Window = Window.TOTAL) -> None:
        set_limit(actor=self.admin, kind=kind, scope_id=scope_id, window=window, amount=Decimal(amount))

    def ask(self, key: str, amount: str, *, story: str = "S", run: str = "318", ttl_s: float = 600) -> ReservationRef:
        return reserve(
            actor=self.tenant.agent("developer", "mason"),
            key=key,
            amount=Decimal(amount),
            scopes=[Scope(STORY, story), Scope(RUN, run)],
            owner=f"run:{run}",
            model="small",
            price_version="1",
            ttl_s=ttl_s,
        )

    def pay(self, reservation: ReservationRef, cost: str) -> None:
        usage = Usage(10, 10)
        settle(actor=self.tenant.system(), reservation=reservation, usage=usage, cost=Decimal(cost), prices=PRICES)

    def aside(self, act: Callable[[], object]) -> None:
        """Do it in a thread, with a connection of its own."""
        with closing(connection), self.tenant.scope():
            act()

    def used(self, kind: ScopeKind = STORY, scope_id: str = "S") -> BudgetView:
        """How far one limit is used, which is what the ledger says."""
        [one] = budgets(kind=kind, scope_id=scope_id)
        [(reserved, spent)] = rows(
            f"SELECT sum(reserved_delta), sum(spent_delta) FROM governance_ledgerentry WHERE {kind} = %s",
            scope_id,
        )
        assert (one.reserved, one.spent) == (reserved, spent)
        return one


@contextmanager
def held(statement: str) -> Iterator[Callable[[int], bool]]:
    """Hold rows until this ends; the name given asks whether so many wait for a lock by now."""
    login = os.environ["DATABASE_ADMIN_URL"]
    with psycopg.connect(login, autocommit=True) as watch, psycopg.connect(login) as blocker:

        def wait(count: int) -> bool:
            return watch.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchall() == [(count,)]

        blocker.execute(statement)
        yield wait
        blocker.rollback()


def test_a_default_that_comes_late_counts_what_was_spent_and_what_is_reserved(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        till = Till(tenant)
        till.pay(till.ask("before", "5"), "4.90")
        till.pay(till.ask("elsewhere", "1", story="T"), "0.40")
        under_way = till.ask("under way", "0.06")
        till.limit(STORY, "", "5")
        with pytest.raises(LimitExceeded, match=r"0\.04 USD of 5\.00 USD is left in the total limit of story S"):
            till.ask("too much", "0.05")
        till.pay(till.ask("fits", "0.04"), "0.03")
        assert till.used().left == Decimal("0.01")
        till.pay(under_way, "0.02")
        assert till.used().spent == Decimal("4.95")
        till.ask("more", "4.60", story="T")
        assert till.used(STORY, "T").left == 0


def test_a_limit_that_is_set_again_counts_what_was_reserved_while_there_was_none(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        till = Till(tenant)
        for scope_id in ("318", ""):
            till.limit(RUN, scope_id, "1")
            till.pay(till.ask(f"first {scope_id}", "0.10"), "0.10")
            remove_limit(actor=till.admin, kind=RUN, scope_id=scope_id, window=Window.TOTAL)
            paid, given_back = till.ask(f"paid {scope_id}", "0.30"), till.ask(f"given back {scope_id}", "0.05")
            till.limit(RUN, scope_id, "1")
            assert till.used(RUN, "318").reserved == Decimal("0.35")
            till.pay(paid, "0.20")
            release(actor=tenant.system(), reservation=given_back)
            assert till.used(RUN, "318").reserved == 0
            remove_limit(actor=till.admin, kind=RUN, scope_id=scope_id, window=Window.TOTAL)
        till.limit(RUN, "318", "0.70")
        with pytest.raises(LimitExceeded, match=r"0\.10 USD of 0\.70 USD is left in the total limit of run 318"):
            till.ask("too much", "0.11")


def test_what_is_corrected_or_charged_late_counts_in_limits_that_came_after_it(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        till = Till(tenant)
        charged, noted, unheard = (till.ask(key, "1", ttl_s=1) for key in ("charged", "noted", "unheard"))
        till.pay(charged, "0.50")
        note_progress(reservation=noted, usage=Usage(100, 100), prices=PRICES)
        let_leases_end(noted, unheard)
        assert expire_reservations(actor=tenant.system()) == 2
        till.limit(STORY, "", "5")
        till.ask("now", "0.10")
        before = till.used().spent
        adjust_cost(
            actor=till.admin,
            reservation=charged.id,
            charged=Decimal("0.50"),
            cost=Decimal("0.75"),
            reason="They billed us more for it.",
        )
        assert till.used().spent == before + Decimal("0.25")
        till.pay(unheard, "0.30")
        till.pay(noted, "0.60")
        assert till.used().spent == Decimal("1.65")
        counted = budgets(kind=ScopeKind.TENANT)
        assert {limit.spent for limit in counted} == {Decimal("1.65")}


def test_a_counter_that_is_made_while_a_call_is_settled_counts_it_once(tenant: TestTenant) -> None:
    """A settlement has written its line and waits for the organisation's counters; or it waits for who counts it."""
    with tenant_scope(tenant.schema):
        till = Till(tenant)
        low, high = sorted((till.ask(key, "1") for key in "ab"), key=lambda one: one.id)
        till.limit(STORY, "", "5")
        with ThreadPoolExecutor(2) as pool:
            with held(f'SELECT id FROM "{tenant.schema}".governance_budgetcounter FOR UPDATE') as waiting:
                doing = [pool.submit(till.aside, partial(till.pay, low, "0.70"))]
                until(lambda: waiting(1))
                doing.append(pool.submit(till.aside, partial(till.ask, "c", "1.50")))
                until(lambda: waiting(2))
            for one in doing:
                one.result()
            assert till.used().left == Decimal("1.80")
            low, high = sorted((high, till.ask("d", "0.50")), key=lambda one: one.id)
            till.limit(RUN, "", "5")
            lock = f"SELECT id FROM \"{tenant.schema}\".governance_reservation WHERE id = '{high.id}' FOR UPDATE"
            with held(lock) as waiting:
                doing = [pool.submit(till.aside, partial(till.ask, "e", "0.20"))]
                until(lambda: waiting(1))
                doing.append(pool.submit(till.aside, partial(till.pay, low, "0.05")))
                until(lambda: waiting(2))
            for one in doing:
                one.result()
        assert till.used(RUN, "318").spent == till.used().spent == Decimal("0.75")


def test_the_first_reservation_of_a_scope_is_asked_for_once_and_the_next_one_asks_nothing_more(
    tenant: TestTenant,
) -> None:
    """A database that refuses writes an error into its log, and a scope's first reservation is nothing wrong."""
    till = Till(tenant)
    with till.tenant.scope():
        till.limit(RUN, "", "5")
        sent: list[str] = []

        def note(execute: Any, statement: Any, parameters: Any, many: Any, context: Any) -> Any:
            sent.append(str(statement))
            return execute(statement, parameters, many, context)

        counts = []
        for key in ("first", "second"):
            sent.clear()
            with connection.execute_wrapper(note):
                till.ask(key, "1", run="9001")
            made = any("INSERT INTO governance_budgetcounter" in one for one in sent)
            counts.append((sum("governance_reserve" in one for one in sent), made, len(sent)))
        assert counts[0][:2] == (1, True)
        assert counts[1][:2] == (1, False)
        assert counts[1][2] < counts[0][2]
