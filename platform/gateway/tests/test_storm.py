"""Money under a storm: many processes on one limit while some are killed, and everything that can go wrong with a provider."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection

from gateway.calls import ModelCall
from gateway.chat import Request
from gateway.completion import complete
from gateway.models import Deployment, Price, Route
from gateway.tests.caller import ask_often
from gateway.usage import reconcile_provider
from governance.actions.limits import set_limit
from governance.actions.reconciliation import Period
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import budgets, differences, entries_of, reconciliations, total_spent
from governance.tests.tools import counters_equal_entries, rows, until
from guildhall.kernel.errors import GuildhallError
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.fakes.openai_server import OpenAIServer, Rule
from tests.support.mortal import Child, child_of
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
PRICES = {"tokens_in": Decimal(10), "tokens_out": Decimal(100), "tokens_cached": Decimal(5)}
USED = {"prompt_tokens": 20, "completion_tokens": 150}


@pytest.fixture
def provider(database: None) -> Iterator[OpenAIServer]:
    """A dear model behind the route `storm`; it tells its own usage."""
    with OpenAIServer() as server:
        with platform_scope():
            Route.objects.filter(name="storm").delete()
            Deployment.objects.filter(name="storm").delete()
            told = f"{server.url}/usage"
            deployment = Deployment.objects.create(name="storm", base_url=server.url, model="storm", usage_url=told)
            Route.objects.create(name="storm", rank=1, deployment=deployment)
            Price.objects.get_or_create(model="storm", version="1", defaults={"valid_from": "2026-01-01", **PRICES})
        yield server


def billed(server: OpenAIServer) -> Decimal:
    """What the provider's own journal comes to."""
    total = Decimal(0)
    for usage in (entry["usage"] for entry in server.journal if entry.get("usage")):
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        fresh = usage["prompt_tokens"] - cached
        total += fresh * PRICES["tokens_in"] + cached * PRICES["tokens_cached"]
        total += usage["completion_tokens"] * PRICES["tokens_out"]
    return total / 1_000_000


def caller(tenant: TestTenant, prefix: str, count: int) -> Child:
    return child_of(partial(ask_often, tenant.schema, prefix, count))


def test_two_hundred_calls_on_one_dollar_while_processes_are_killed(tenant: TestTenant, provider: OpenAIServer) -> None:
    answer: Rule = {"reply": {"text": "word " * 30}, "usage": USED, "chunks": 20, "chunk_delay": 0.05}
    # Nobody lives to see the end of these.
    endless: list[Rule] = [
        {**answer, "when": {"contains": [f"({victim}-"]}, "chunk_delay": 5} for victim in ("p0", "p1")
    ]
    provider.script = [*endless, answer]
    with tenant_scope(tenant.schema):
        for window in (Window.DAY, Window.HOUR):
            set_limit(actor=tenant.system(), kind=ScopeKind.TENANT, scope_id="", window=window, amount=Decimal(1))
    seen: list[Decimal] = []
    over = threading.Event()

    def look() -> None:
        with closing(connection):
            while not over.wait(0.02):
                with tenant_scope(tenant.schema):
                    seen.extend(row[0] for row in rows("SELECT spent + reserved FROM governance_budgetcounter"))

    def at_work(*names: str) -> bool:
        asked = [str(request) for request in provider.asked]
        return all(any(f"({name}-" in request for request in asked) for name in names)

    callers = [caller(tenant, f"p{number}", count) for number, count in enumerate((10, 10, 90, 90))]
    watcher = threading.Thread(target=look)
    watcher.start()
    for pair in (0, 2):
        for one_of_two in callers[pair : pair + 2]:
            one_of_two.go()
        until(partial(at_work, f"p{pair}", f"p{pair + 1}"))
    for victim in callers[:2]:
        victim.kill()
    paid = [line for one_of_four in callers for line in one_of_four.rest().split()]
    over.set()
    watcher.join()
    assert paid.count("done") == 2, "two ended by themselves, two were killed"
    assert max(seen) > Decimal("0.8"), "the limit was never near"
    assert max(seen) <= 1
    with tenant_scope(tenant.schema):
        counters_equal_entries()
        assert rows("SELECT max(overrun) FROM governance_budgetcounter") == [(0,)]
        [(promised, spent)] = rows("SELECT sum(reserved_delta), sum(spent_delta) FROM governance_ledgerentry")
        assert 0 < spent <= promised + spent <= 1
        assert {limit.reserved for limit in budgets(kind=ScopeKind.TENANT)} == {promised}
        # Two real answers at least were paid whole by those who lived: 150 tokens each, nothing twice.
        whole = rows(
            "SELECT count(*), count(DISTINCT reservation_id) FROM governance_ledgerentry WHERE kind = 'commit'"
        )
        assert whole[0][0] == whole[0][1] >= 2


STORM: list[Rule] = [
    {"when": {"contains": ["exact"]}, "reply": {"text": "Returns are free."}, "usage": {**USED, "cached_tokens": 7}},
    {
        "when": {"contains": ["slow"]},
        "reply": {"text": "word " * 200},
        "chunks": 100,
        "chunk_delay": 0.02,
        "usage": USED,
    },
    {"when": {"contains": ["silent"]}, "reply": {"text": "late"}, "delay": 0.4, "usage": USED},
    {"when": {"contains": ["broken"]}, "reply": {"text": "Returns are free."}, "disconnect": True, "usage": USED},
    {
        "when": {"contains": ["busy"]},
        "status": 429,
        "once": True,
        "retry_after": 0.05,
        "reply": {"text": "ok"},
        "usage": USED,
    },
    {"when": {"contains": ["failing"]}, "status": 400},
    {"when": {"contains": ["garbage"]}, "garbage": True},
]
WAYS = ["exact", "slow", "cancel slow", "silent", "broken", "busy", "failing", "garbage"]


def one(tenant: TestTenant, number: int) -> None:
    """One call in one of the ways that calls go."""
    way, cancel = WAYS[number % len(WAYS)], threading.Event()
    if way.startswith("cancel"):
        threading.Timer(0.25, cancel.set).start()
    request = Request(messages=[{"role": "user", "content": f"{way} question {number}"}], max_tokens=200)
    call = ModelCall(
        route="storm",
        key=f"storm-{number}",
        owner=f"run:{number}",
        request=request,
        scopes=[Scope(ScopeKind.RUN, str(number))],
        timeout_s=0.3 if way in ("slow", "silent") else 30,
    )
    with closing(connection), tenant_scope(tenant.schema):
        try:
            complete(actor=tenant.agent("developer", "mason"), model_call=call, cancel=cancel)
        except GuildhallError:
            assert way in ("failing", "garbage"), way


def compare(tenant: TestTenant) -> int:
    now = datetime.now(UTC)
    with tenant_scope(tenant.schema):
        period = Period("storm", now - timedelta(hours=1), now + timedelta(minutes=1))
        deployment = Deployment.objects.get(name="storm")
        return reconcile_provider(actor=tenant.actor("admin"), deployment=deployment, period=period)


def test_the_ledger_is_the_providers_own_journal_after_a_storm(tenant: TestTenant, provider: OpenAIServer) -> None:
    provider.script = STORM
    with tenant_scope(tenant.schema):
        for window in (Window.DAY, Window.HOUR):
            set_limit(actor=tenant.system(), kind=ScopeKind.TENANT, scope_id="", window=window, amount=Decimal(50))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: one(tenant, number), range(48)))
    until(lambda: len(provider.asked) == len(provider.journal))
    first = compare(tenant)
    with tenant_scope(tenant.schema):
        found = differences(first)
        assert found
        assert all(row.corrected for row in found), "an exact charge differs from what the provider counts"
        assert total_spent() == billed(provider)
        assert {limit.reserved for limit in budgets(kind=ScopeKind.TENANT)} == {0}
        counters_equal_entries()
    again = compare(tenant)
    with tenant_scope(tenant.schema):
        assert (total_spent(), differences(again)) == (billed(provider), [])
        newest, before = reconciliations()[:2]
        assert (newest.open, newest.corrected, newest.ledger_cost) == (0, 0, billed(provider))
        assert (before.open, before.corrected) == (0, len(found))


def test_what_a_provider_counts_otherwise_is_shown_and_not_changed(tenant: TestTenant, provider: OpenAIServer) -> None:
    provider.script = STORM
    one(tenant, 0)
    one(tenant, 8)
    mine = total_spent_of(tenant)
    provider.journal[0]["usage"]["completion_tokens"] += 1
    del provider.journal[1]["usage"]
    shown = compare(tenant)
    with tenant_scope(tenant.schema):
        kinds = {row.kind: row for row in differences(shown)}
        assert {*kinds} == {"amount", "unknown"}
        assert kinds["amount"].gap == Decimal("0.0001")
        assert total_spent() == mine
        assert reconciliations()[0].open == 2
    with platform_scope():
        Deployment.objects.filter(name="storm").update(usage_url=f"{provider.url}/nowhere")
    compare(tenant)
    with tenant_scope(tenant.schema):
        assert "did not tell its usage" in reconciliations()[0].problem


def total_spent_of(tenant: TestTenant) -> Decimal:
    with tenant_scope(tenant.schema):
        return total_spent()


def test_a_process_killed_in_the_middle_of_an_answer_is_charged_for_it(
    tenant: TestTenant, provider: OpenAIServer
) -> None:
    slow: dict[str, Any] = {"reply": {"text": "word " * 400}, "chunks": 400, "chunk_delay": 0.05, "usage": USED}
    provider.script = [slow]
    victim = caller(tenant, "cut", 1)
    victim.go()

    def noted() -> bool:
        with tenant_scope(tenant.schema):
            return rows("SELECT count(*) FROM governance_reservation WHERE noted_out > 0") == [(1,)]

    until(noted, seconds=40)
    victim.kill()
    victim.rest()
    assert total_spent_of(tenant) == 0
    provider.script = [{**slow, "chunk_delay": 0}]
    again = caller(tenant, "cut", 1)
    again.go()
    assert "cut-0" in again.rest()
    with tenant_scope(tenant.schema):
        charged = [line for line in entries_of("run", "cut-0") if line.kind == "commit"]
        assert len(charged) == 2
        assert [line.estimated for line in charged] == [False, True]
        assert "while the answer came" in charged[1].reason
        assert rows("SELECT count(*) FROM outbox_event WHERE kind = 'gateway.call.completed'") == [(1,)]
        counters_equal_entries()
    compare(tenant)
    assert total_spent_of(tenant) == billed(provider)
