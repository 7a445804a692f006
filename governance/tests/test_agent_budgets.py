"""What one agent may spend, whatever it works at: late, in parallel, elsewhere, and by its own hand."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from governance.actions.charges import Use, adjust_cost, charge_use
from governance.actions.limits import remove_limit, set_limit
from governance.actions.money import release, reserve, settle
from governance.pricing import COMPUTE_SECOND, Usage, use_cost
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import budgets, spend_of
from governance.tests.spender import spend
from governance.tests.tools import counters_equal_entries, rows
from governance.views import ReservationRef
from guildhall.kernel.errors import Denied, Invalid, LimitExceeded
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
AGENT = ScopeKind.AGENT


def ask(tenant: TestTenant, key: str, amount: str, *scopes: Scope, agent: str = "mason") -> ReservationRef:
    return reserve(
        actor=tenant.agent("developer", agent),
        key=key,
        amount=Decimal(amount),
        scopes=[Scope(ScopeKind.RUN, key), *scopes],
        owner=f"run:{key}",
        model="small",
        price_version="1",
        ttl_s=600,
    )


def limit(tenant: TestTenant, scope_id: str, amount: str, window: Window = Window.TOTAL) -> None:
    set_limit(actor=tenant.actor("admin"), kind=AGENT, scope_id=scope_id, window=window, amount=Decimal(amount))


def pay(tenant: TestTenant, reservation: ReservationRef, cost: str) -> None:
    settle(actor=tenant.system(), reservation=reservation, usage=Usage(10, 10), cost=Decimal(cost))


def used(agent: str) -> Decimal:
    """What the counters of an agent's limit say, which is what the ledger says."""
    [one] = budgets(kind=AGENT, scope_id=agent)
    [told] = rows(
        "SELECT sum(reserved_delta), sum(spent_delta) FROM governance_ledgerentry WHERE agent = %s", f"agent:{agent}"
    )
    assert (one.reserved, one.spent) == told
    return one.reserved + one.spent


def test_an_agents_limit_counts_all_that_it_has_spent_and_is_spending(tenant: TestTenant) -> None:
    """Calls, commands and corrections, from before the limit and after it; another agent has its own."""
    with tenant_scope(tenant.schema):
        for window in (Window.HOUR, Window.DAY):
            set_limit(
                actor=tenant.actor("admin"), kind=ScopeKind.TENANT, scope_id="", window=window, amount=Decimal(100)
            )
        early = ask(tenant, "1", "2")
        pay(tenant, early, "1.50")
        under_way = ask(tenant, "2", "0.25")
        pay(tenant, ask(tenant, "3", "1", agent="ada"), "0.90")
        limit(tenant, "mason", "2")
        assert used("mason") == Decimal("1.75")
        with pytest.raises(LimitExceeded, match=r"0\.25 USD of 2\.00 USD is left in the total limit of agent mason"):
            ask(tenant, "4", "0.26")
        ask(tenant, "5", "9", agent="ada")
        seconds = Decimal(90)
        use = Use("c", "compute", seconds, COMPUTE_SECOND, "1", "run:1", "agent:mason", "sandbox", ())
        charge_use(actor=tenant.system(), use=use)
        assert used("mason") == Decimal("1.75") + use_cost(seconds, COMPUTE_SECOND)
        pay(tenant, under_way, "0.20")
        adjust_cost(
            actor=tenant.actor("admin"), reservation=early.id, charged=Decimal("1.50"), cost=Decimal("1.70"),
            reason="They billed us more for it.",
        )  # fmt: skip
        assert used("mason") == spend_of("agent", "agent:mason").spent
        limit(tenant, "", "9.90")
        assert used("mason") > 1, "its own limit stays"
        with pytest.raises(LimitExceeded, match=r"0\.00 USD of 9\.90 USD is left in the total limit of agent ada"):
            ask(tenant, "6", "0.01", agent="ada")
        remove_limit(actor=tenant.actor("admin"), kind=AGENT, scope_id="mason", window=Window.TOTAL)
        release(actor=tenant.system(), reservation=ask(tenant, "7", "5"))
        counters_equal_entries()


def test_parallel_runs_of_one_agent_do_not_overspend_together(tenant: TestTenant, other_tenant: TestTenant) -> None:
    for one, amount in ((tenant, "0.05"), (other_tenant, "0.12")):
        with tenant_scope(one.schema):
            for window in Window:
                limit(one, "mason", amount, window)
    asked = [(tenant, "mason", 24), (tenant, "ada", 8), (other_tenant, "mason", 8)]
    calls = [
        partial(
            spend, one.schema, f"{agent}{number}", "0.01", 600, keep=bool(number % 2),
            actor=one.agent("developer", agent),
        )
        for one, agent, count in asked
        for number in range(count)
    ]  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        granted = [done.result() for done in [pool.submit(call) for call in calls]]
    assert sum(granted[24:]) == 16, "another agent, and the same name in another organisation, are free"
    with tenant_scope(tenant.schema):
        assert used_everywhere("mason") <= Decimal("0.05")
        assert 5 <= sum(granted[:24]) < 24
        counters_equal_entries()


def used_everywhere(agent: str) -> Decimal:
    windows = {(one.window, one.reserved + one.spent) for one in budgets(kind=AGENT, scope_id=agent)}
    assert {window for window, _ in windows} == {"hour", "day", "total"}
    [amount] = {amount for _, amount in windows}
    return amount


def test_an_agent_moves_no_limit_and_pays_in_no_other_name(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        limit(tenant, "mason", "0.01")
        mason = tenant.agent("developer", "mason")
        with pytest.raises(Denied):
            set_limit(actor=mason, kind=AGENT, scope_id="mason", window=Window.TOTAL, amount=Decimal(9))
        with pytest.raises(Denied):
            remove_limit(actor=mason, kind=AGENT, scope_id="mason", window=Window.TOTAL)
        with pytest.raises(Invalid):
            ask(tenant, "1", "0.05", Scope(AGENT, "ada"))
        with pytest.raises(LimitExceeded):
            ask(tenant, "1", "0.05")
        assert spend_of("agent", "agent:mason").calls == 0


MANY_LINES = """
INSERT INTO governance_ledgerentry (kind, reservation_id, spent_delta, project, strategy, story, task, run, api_key,
    agent, owner, model, provider, price_version, reason, trace_id, operation_id, counted_at)
SELECT 'adjust', reservation_id, 0.0001, project, strategy, story, task, run, api_key,
    agent, owner, model, provider, price_version, '', trace_id, operation_id, counted_at
FROM governance_ledgerentry, generate_series(1, 300)
"""


def test_what_one_of_many_agents_spent_is_found_by_an_index(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        for number in range(20):
            ask(tenant, f"call-{number}", "0.01", agent=f"agent-{number}")
        with connection.cursor() as cursor:
            cursor.execute(MANY_LINES)
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as owner_login:
        owner_login.execute(f"ANALYZE {tenant.schema}.governance_ledgerentry".encode())
    sent: list[tuple[str, Any]] = []

    def note(execute: Any, statement: Any, parameters: Any, many: Any, context: Any) -> Any:
        sent.extend((one, parameters) for one in str(statement).split(";") if "governance_ledgerentry" in one)
        return execute(statement, parameters, many, context)

    with tenant_scope(tenant.schema):
        with connection.execute_wrapper(note):
            limit(tenant, "agent-7", "9", Window.HOUR)
            spend_of("agent", "agent:agent-7")
        assert len(sent) == 2
        for statement, parameters in sent:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {statement}", parameters)
                plan = " ".join(line for (line,) in cursor.fetchall())
            assert "ledger_agent" in plan, plan
            assert "Seq Scan on governance_ledgerentry" not in plan, plan
