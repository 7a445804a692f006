"""Model calls through the gateway: what is sent, what comes back, and that each is charged what the provider counted."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from gateway import routing
from gateway.calls import Completion, ModelCall
from gateway.chat import Request
from gateway.completion import charge, complete
from gateway.cooling import note_answered
from gateway.models import Deployment, Price, Route
from governance.actions.limits import set_limit
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import budgets, entries_of, total_spent
from guildhall.kernel.errors import Conflict, LimitExceeded, TooLarge, Unavailable
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.fakes.openai_server import OpenAIServer
from tests.support.clock import Clock, clock
from tests.support.processes import until
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
__all__ = ["clock"]

HELLO = {"reply": {"text": "Returns are free within 30 days."}}
PROMPT = [{"role": "user", "content": "When are returns free?"}]


@pytest.fixture
def provider(database: None) -> Iterator[OpenAIServer]:
    """A priced deployment at a scripted server, alone on the route `test`."""
    note_answered("scripted")
    with OpenAIServer([HELLO]) as server:
        with platform_scope():
            Route.objects.filter(name="test").delete()
            Deployment.objects.filter(name="scripted").delete()
            deployment = Deployment.objects.create(
                name="scripted", base_url=server.url, model="scripted", supports_tools=True, timeout_s=60
            )
            Route.objects.create(name="test", rank=1, deployment=deployment)
            Price.objects.get_or_create(
                model="scripted",
                version="1",
                defaults={
                    "valid_from": "2026-01-01",
                    "tokens_in": Decimal("0.15"),
                    "tokens_out": Decimal("0.60"),
                    "tokens_cached": Decimal("0.075"),
                },
            )
        yield server


def say(tenant: TestTenant, key: str = "run:318/1", **options: Any) -> Completion:
    request = {"messages": PROMPT, "max_tokens": 200, **options.pop("request", {})}
    call = ModelCall(
        route=options.pop("route", "test"),
        key=key,
        owner="run:318",
        request=Request(**request),
        scopes=[Scope(ScopeKind.TASK, "SHOP-1.1"), Scope(ScopeKind.RUN, "318")],
        timeout_s=options.pop("timeout_s", 20.0),
    )
    with tenant_scope(tenant.schema):
        return complete(actor=tenant.agent("developer", "mason"), model_call=call, **options)


def billed(server: OpenAIServer) -> Decimal:
    """What the server's own journal comes to at the price above."""
    total = Decimal(0)
    for entry in server.journal:
        if usage := entry.get("usage"):
            cached = usage["prompt_tokens_details"]["cached_tokens"]
            fresh = usage["prompt_tokens"] - cached
            total += fresh * Decimal("0.15") + cached * Decimal("0.075") + usage["completion_tokens"] * Decimal("0.60")
    return total / 1_000_000


def assert_settled(tenant: TestTenant, spent: Decimal) -> None:
    with tenant_scope(tenant.schema):
        assert total_spent() == spent
        assert {(budget.reserved, budget.spent) for budget in budgets()} <= {(Decimal(0), spent)}


def test_an_answer_is_charged_to_the_micro_dollar_and_leaves_no_prompt_in_the_audit(
    tenant: TestTenant, provider: OpenAIServer
) -> None:
    provider.script = [{**HELLO, "usage": {"prompt_tokens": 100, "completion_tokens": 77, "cached_tokens": 60}}]
    completion = say(tenant)
    assert completion.text == "Returns are free within 30 days."
    assert (completion.tokens_in, completion.tokens_out, completion.tokens_cached) == (100, 77, 60)
    assert completion.cost == billed(provider) == Decimal("0.0000567")
    assert_settled(tenant, billed(provider))
    with tenant_scope(tenant.schema):
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT kind, payload::text FROM outbox_event ORDER BY id")
            events = cursor.fetchall()
            cursor.execute("SELECT body FROM audit_payload")
            bodies = "".join(str(row[0]) for row in cursor.fetchall())
    assert [kind for kind, _ in events][-3:] == [
        "governance.budget.reserved",
        "governance.budget.settled",
        "gateway.call.completed",
    ]
    assert "returns" not in bodies.lower()


def test_tools_and_schemas_go_through_and_deltas_come_as_they_are_said(
    tenant: TestTenant, provider: OpenAIServer
) -> None:
    provider.script = [
        {"when": {"schema": "plan"}, "reply": {"text": {"tasks": ["write it down"] * 12}}},
        {"reply": {"tool_calls": [{"name": "read_file", "arguments": {"path": "faq.md"}}]}},
    ]
    tool = {"name": "read_file", "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}}
    called = say(tenant, "1", request={"tools": [tool]})
    assert [(call["name"], call["arguments"]) for call in called.tool_calls] == [("read_file", '{"path": "faq.md"}')]
    said: list[str] = []
    planned = say(tenant, "2", request={"schema": {"type": "object"}, "schema_name": "plan"}, on_delta=said.append)
    assert planned.text == "".join(said) == json.dumps({"tasks": ["write it down"] * 12})
    assert len(said) > 1
    assert_settled(tenant, billed(provider))


def test_what_nothing_could_keep_is_marked_in_answers_and_deltas_and_pairs_stay_whole(
    tenant: TestTenant, provider: OpenAIServer
) -> None:
    odd = "\ud83d\ude00 a\0b \ud800c " * 12
    deep = "[" * 5000
    provider.script = [
        {"when": {"turns": 0}, "reply": {"text": odd}, "chunks": len(odd), "usage": False},
        {"reply": {"tool_calls": [{"name": "read\0file", "arguments": {}, "raw": f"{deep}\ud800"}]}},
    ]
    said: list[str] = []
    answered = say(tenant, "1", on_delta=said.append)
    assert answered.text == "".join(said) == "\U0001f600 a\ufffdb \ufffdc " * 12
    (made,) = say(tenant, "2", request={"messages": [*PROMPT, {"role": "assistant", "content": "\0"}]}).tool_calls
    assert (made["name"], made["arguments"]) == ("read\ufffdfile", f"{deep}\ufffd")


def test_a_key_pays_once(tenant: TestTenant, provider: OpenAIServer) -> None:
    say(tenant, "same")
    with pytest.raises(Conflict, match="paid for a call already"):
        say(tenant, "same")
    assert len(provider.journal) == 1
    assert_settled(tenant, billed(provider))


def test_nothing_is_sent_that_the_budget_does_not_allow(tenant: TestTenant, provider: OpenAIServer) -> None:
    with tenant_scope(tenant.schema):
        set_limit(
            actor=tenant.system(),
            kind=ScopeKind.RUN,
            scope_id="318",
            window=Window.TOTAL,
            amount=Decimal("0.0000001"),
        )
    with pytest.raises(LimitExceeded, match="run 318"):
        say(tenant)
    assert provider.journal == []


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refused_call_costs_nothing(tenant: TestTenant, provider: OpenAIServer, status: int) -> None:
    provider.script = [{"status": status}]
    with pytest.raises(Unavailable, match=str(status)):
        say(tenant)
    assert len(provider.journal) == 1
    assert_settled(tenant, Decimal(0))
    provider.script = [HELLO]
    say(tenant)
    assert_settled(tenant, billed(provider))


def test_a_busy_server_is_asked_again_when_it_says_so(tenant: TestTenant, provider: OpenAIServer) -> None:
    provider.script = [{"status": 429, "retry_after": 0.1}]
    recovered = threading.Thread(target=_recover, args=(provider,))
    recovered.start()
    assert say(tenant).text
    recovered.join()
    assert [entry["status"] for entry in provider.journal][-1] == 200
    assert_settled(tenant, billed(provider))


def _recover(server: OpenAIServer) -> None:
    gate = threading.Event()
    while not server.journal:
        gate.wait(0.01)
    server.script = [HELLO]


def test_a_call_without_reported_usage_is_charged_by_size(tenant: TestTenant, provider: OpenAIServer) -> None:
    provider.script = [{**HELLO, "usage": False}]
    completion = say(tenant)
    assert completion.estimated
    assert completion.cost > 0
    assert_settled(tenant, completion.cost)
    with tenant_scope(tenant.schema):
        assert entries_of("run", "318")[0].estimated


def test_a_lost_connection_is_charged_for_what_was_said(tenant: TestTenant, provider: OpenAIServer) -> None:
    provider.script = [{**HELLO, "disconnect": True}]
    completion = say(tenant)
    assert completion.cut
    assert completion.text
    assert "Returns are free within 30 days.".startswith(completion.text)
    assert completion.estimated
    assert_settled(tenant, completion.cost)


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_a_stream_is_cut_and_charged(tenant: TestTenant, provider: OpenAIServer, clock: Clock, how: str) -> None:
    provider.script = [{"reply": {"text": "word " * 400}, "chunks": 400, "chunk_delay": 0.05}]
    heard = threading.Event()
    if how == "deadline":
        clock.skip(30, when=heard)
    cancel = heard if how == "cancel" else None
    completion = say(tenant, cancel=cancel, on_delta=lambda _: heard.set(), timeout_s=20.0)
    assert completion.cut == ("cancelled" if how == "cancel" else "its time was up")
    assert 0 < len(completion.text) < 2000
    assert completion.cost > 0
    assert_settled(tenant, completion.cost)


def test_a_silent_server_cannot_hold_up_a_cancel(tenant: TestTenant, provider: OpenAIServer) -> None:
    provider.script = [{"reply": {"text": "too late"}, "hold": True}]
    cancel = threading.Event()

    def cancel_when_asked() -> None:
        assert provider.holding.wait(120)
        cancel.set()

    beside = threading.Thread(target=cancel_when_asked)
    beside.start()
    completion = say(tenant, cancel=cancel)
    beside.join()
    assert (completion.cut, completion.text) == ("cancelled", "")
    until(lambda: [call["status"] for call in provider.journal] == [499], what="the server to see it hung up on")
    assert_settled(tenant, completion.cost)


def test_what_is_cancelled_before_it_is_sent_is_neither_sent_nor_charged(
    tenant: TestTenant, provider: OpenAIServer
) -> None:
    cancel = threading.Event()
    cancel.set()
    assert say(tenant, cancel=cancel).cut == "cancelled"
    assert provider.journal == []
    assert_settled(tenant, Decimal(0))


def test_a_caller_that_fails_while_it_listens_stops_the_call(tenant: TestTenant, provider: OpenAIServer) -> None:
    provider.script = [{"reply": {"text": "word " * 400}, "chunks": 400, "chunk_delay": 0.05}]

    def fail(_: str) -> None:
        raise RuntimeError("the page is gone")

    with pytest.raises(RuntimeError, match="page is gone"):
        say(tenant, on_delta=fail)
    with tenant_scope(tenant.schema):
        assert total_spent() > 0
        assert {budget.reserved for budget in budgets()} == {Decimal(0)}


def test_a_model_without_a_price_and_an_unknown_route_are_refused(tenant: TestTenant, provider: OpenAIServer) -> None:
    with platform_scope():
        Deployment.objects.filter(name="scripted").update(model="unpriced")
    with pytest.raises(Unavailable, match="No price is known for unpriced"):
        say(tenant)
    with pytest.raises(Unavailable, match="No model serves"):
        say(tenant, route="nowhere")
    assert provider.journal == []


def test_a_dead_deployment_gives_way_to_the_next(tenant: TestTenant, provider: OpenAIServer) -> None:
    with platform_scope():
        Deployment.objects.filter(name="dead").delete()
        dead = Deployment.objects.create(name="dead", base_url="http://127.0.0.1:9/v1", model="scripted")
        Route.objects.create(name="test", rank=0, deployment=dead)
    assert say(tenant, "same").deployment == "scripted"
    with pytest.raises(Conflict, match="paid for a call already"):
        say(tenant, "same")
    assert_settled(tenant, billed(provider))


def test_an_answer_that_was_kept_is_charged_once_even_when_its_keeper_fails(
    tenant: TestTenant, provider: OpenAIServer
) -> None:
    def lost(_: Completion) -> None:
        raise RuntimeError("the lease is gone")

    with pytest.raises(RuntimeError, match="lease is gone"):
        say(tenant, on_answer=lost)
    assert_settled(tenant, billed(provider))


def test_a_process_killed_between_answer_and_charge_leaves_no_debt_and_its_answer_can_still_be_charged(
    tenant: TestTenant, provider: OpenAIServer
) -> None:
    victim = subprocess.Popen(
        [sys.executable, "-m", "gateway.tests.victim", tenant.schema], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert victim.stdout is not None
    kept = json.loads(victim.stdout.readline())
    victim.kill()
    victim.communicate()
    with tenant_scope(tenant.schema):
        assert {budget.spent for budget in budgets()} == {Decimal(0)}
        for _ in range(2):
            charge(actor=tenant.system(), completion=Completion.from_dict(kept))
    assert len(provider.journal) == 1
    assert_settled(tenant, billed(provider))


def test_tenants_read_prices_and_cannot_change_them(tenant: TestTenant, provider: OpenAIServer) -> None:
    from django.db import DatabaseError

    with tenant_scope(tenant.schema):
        assert Price.objects.filter(model="scripted").exists()
        for table in (Price, Deployment, Route):
            with pytest.raises(DatabaseError, match="permission denied"):
                table.objects.all().delete()


def test_a_request_that_no_window_holds_costs_nothing_and_a_larger_one_is_asked_instead(
    tenant: TestTenant, provider: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "_begun", routing._Begun())  # what other tests asked in the last seconds
    long = [{"role": "user", "content": "When are returns free? " * 200}]
    with platform_scope():
        Deployment.objects.filter(name="scripted").update(context_tokens=1000)
    with pytest.raises(TooLarge, match="do not fit scripted"):
        say(tenant, "1", request={"messages": long})
    assert provider.journal == []
    assert_settled(tenant, Decimal(0))
    with platform_scope():
        roomy = Deployment.objects.create(
            name="roomy", base_url=provider.url, model="scripted", context_tokens=8000, timeout_s=10
        )
        Route.objects.create(name="test", rank=2, deployment=roomy)
    try:
        assert say(tenant, "2", request={"messages": long}).deployment == "roomy"
        assert say(tenant, "3").deployment == "scripted"
    finally:
        with platform_scope():
            roomy.delete()
