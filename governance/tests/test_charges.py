"""Charges that are no call to a model, corrections, and that every breakdown of the ledger adds up."""

import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection

from governance.actions.charges import Use, adjust_cost, charge_use
from governance.actions.limits import set_limit
from governance.actions.money import expire_reservations, note_progress, release, reserve, settle
from governance.actions.reconciliation import Period, reconcile
from governance.pricing import COMPUTE_SECOND, UnitPrices, Usage, cost
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import (
    budgets,
    differences,
    entries_of,
    reconciliations,
    spend_by,
    spend_by_day,
    total_spent,
)
from governance.selectors.money import DIMENSIONS
from governance.tests.tools import counters_equal_entries, kinds_recorded, let_leases_end, rows
from governance.views import ReservationRef
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid, LimitExceeded, NotFound, Stale
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import program, signed_in, tokens_of
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
PRICES = UnitPrices(Decimal("0.10"), Decimal("0.40"), Decimal("0.05"))
WHY = "The provider gave us a credit for this."


def ask(
    tenant: TestTenant, key: str, of: dict[str, str] | None = None, *, take_over: bool = False, agent: str = "mason"
) -> ReservationRef:
    return reserve(
        actor=tenant.agent("developer", agent),
        key=key,
        amount=Decimal("0.01"),
        scopes=[Scope(ScopeKind(kind), name) for kind, name in (of or {}).items()],
        owner="run:318",
        model="small",
        price_version="1",
        ttl_s=0.001 if key.startswith("dead") else 600,
        provider="default",
        take_over=take_over,
    )


def compute(key: str, seconds: str, **of: str) -> Use:
    scopes = tuple(Scope(ScopeKind(kind), name) for kind, name in of.items())
    return Use(key, "compute", Decimal(seconds), COMPUTE_SECOND, "1", "run:318", "agent:mason", "sandbox", scopes)


def test_every_breakdown_adds_up_whatever_happens(tenant: TestTenant) -> None:
    """A random life of a tenant: each cost has one owner in each breakdown, by day as in all, to the last digit."""
    dice = random.Random(20261121)  # noqa: S311 - dice, no secret
    with tenant_scope(tenant.schema):
        for step in range(60):
            of = {
                str(kind): f"{kind}-{dice.randrange(3)}"
                for kind in ScopeKind
                if kind not in (ScopeKind.TENANT, ScopeKind.AGENT) and dice.random() < 0.7
            }
            usage = Usage(dice.randrange(1, 9000), dice.randrange(900), 0, estimated=dice.random() < 0.3)
            match dice.randrange(5):
                case 0:
                    charge_use(actor=tenant.system(), use=compute(f"use-{step}", f"{dice.randrange(90)}.123457", **of))
                case 1:
                    back = release(actor=tenant.system(), reservation=ask(tenant, f"back-{step}", of))
                    if step % 2:
                        adjust(tenant, back.id, "0", "0.0031", WHY)
                case 2:
                    dead = ask(tenant, f"dead-{step}", of, agent="ada")
                    note_progress(reservation=dead, usage=usage, prices=PRICES)
                    let_leases_end(dead)
                    expire_reservations(actor=tenant.system())
                case _:
                    paid = ask(tenant, f"paid-{step}", of, agent=dice.choice(["ada", "mason"]))
                    charged = cost(usage, PRICES)
                    settle(actor=tenant.system(), reservation=paid, usage=usage, cost=charged, prices=PRICES)
                    if dice.random() < 0.3:
                        more = charged * dice.randrange(3)
                        if more != charged:
                            adjust_cost(
                                actor=tenant.actor("admin"), reservation=paid.id, charged=charged, cost=more, reason=WHY
                            )
        total = total_spent()
        assert total > 0
        for dimension in sorted(DIMENSIONS):
            assert sum(line.spent for line in spend_by(dimension)) == total, dimension
            assert sum(line.spent for line in spend_by_day(dimension)) == total, dimension
        assert {line.owner for line in spend_by("cost_kind")} == {"model", "compute"}
        counters_equal_entries()


def test_what_had_come_of_an_answer_is_charged_when_its_process_is_gone(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        first = ask(tenant, "call")
        note_progress(reservation=first, usage=Usage(1000, 10), prices=PRICES)
        second = ask(tenant, "call", take_over=True)
        assert second.id != first.id
        assert total_spent() == cost(Usage(1000, 10), PRICES)
        assert {budget.reserved for budget in budgets(kind=ScopeKind.TENANT)} == {second.amount}
        assert not note_progress(reservation=first, usage=Usage(1000, 99), prices=PRICES)
        assert "its process was gone" in entries_of("owner", "run:318")[1].reason
        # The first one was alive after all: what it really used replaces the estimate, and the second pays for itself.
        for reservation, usage in ((first, Usage(900, 40)), (second, Usage(900, 70))):
            for _ in range(2):
                settle(
                    actor=tenant.system(),
                    reservation=reservation,
                    usage=usage,
                    cost=cost(usage, PRICES),
                    prices=PRICES,
                )
        assert total_spent() == cost(Usage(900, 40), PRICES) + cost(Usage(900, 70), PRICES)
        [line] = spend_by("model")
        assert (line.tokens_in, line.tokens_out) == (1800, 110)
        counters_equal_entries()


def adjust(
    tenant: TestTenant, call: uuid.UUID, charged: str, cost: str, reason: str = WHY, *, by: Actor | None = None
) -> Decimal:
    actor = by or tenant.actor("admin")
    return adjust_cost(actor=actor, reservation=call, charged=Decimal(charged), cost=Decimal(cost), reason=reason)


def test_people_adjust_with_a_reason_and_nobody_else_does(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        paid = ask(tenant, "a", {"task": "SHOP-1.1"})
        with pytest.raises(Conflict, match="under way"):
            adjust(tenant, paid.id, "0", "0.01")
        settle(actor=tenant.system(), reservation=paid, usage=Usage(10, 10), cost=Decimal("0.02"), prices=PRICES)
        attempts: list[tuple[type[Exception], Callable[[], object]]] = [
            (Denied, lambda: adjust(tenant, paid.id, "0.02", "0", by=tenant.actor("developer"))),
            (Denied, lambda: adjust(tenant, paid.id, "0.02", "0", by=tenant.system())),
            (Invalid, lambda: adjust(tenant, paid.id, "0.02", "0", "no")),
            (Invalid, lambda: adjust(tenant, paid.id, "0.02", "-1")),
            (Stale, lambda: adjust(tenant, paid.id, "0.03", "0.005")),
            (NotFound, lambda: adjust(tenant, uuid.uuid4(), "0", "0.005")),
        ]
        for problem, attempt in attempts:
            with pytest.raises(problem):
                attempt()
        assert adjust(tenant, paid.id, "0.02", "0.005") == Decimal("-0.015")
        assert total_spent() == Decimal("0.005")
        for again in ("0.02", "0.005"):
            with pytest.raises((Stale, Conflict)):
                adjust(tenant, paid.id, again, "0.005")
        [newest, *_] = entries_of("task", "SHOP-1.1")
        assert (newest.kind, newest.reason, newest.spent_delta) == ("adjust", WHY, Decimal("-0.015"))
        counters_equal_entries()
    assert kinds_recorded(tenant).count("governance.budget.adjusted") == 1


def test_what_was_given_back_or_never_heard_of_is_charged_late_once(tenant: TestTenant) -> None:
    """Also where its key has paid for another call since, and where its own process comes back with an answer after all."""
    with tenant_scope(tenant.schema):
        back, unheard = (ask(tenant, key, {"task": "SHOP-1.1"}) for key in ("back", "dead"))
        release(actor=tenant.system(), reservation=back)
        let_leases_end(unheard)
        expire_reservations(actor=tenant.system())
        again = ask(tenant, "back", {"task": "SHOP-1.1"})
        settle(actor=tenant.system(), reservation=again, usage=Usage(1, 1), cost=Decimal("0.001"), prices=PRICES)
        for call, amount in ((back, "0.004"), (unheard, "0.006")):
            with ThreadPoolExecutor(2) as pool:
                tried = [pool.submit(_tried, tenant, call.id, amount) for _ in range(2)]
                assert sorted(one.result() for one in tried) == ["", "Stale"]
            late = settle(actor=tenant.system(), reservation=call, usage=Usage(9, 9), cost=Decimal(1), prices=PRICES)
            assert late.cost == Decimal(amount), "it was charged, and that stays"
        assert total_spent() == Decimal("0.011")
        assert {limit.spent for limit in budgets(kind=ScopeKind.TASK)} == {Decimal("0.011")}
        assert spend_by("task")[0].calls == 3
        counters_equal_entries()


def test_a_provider_that_tells_more_than_was_reserved_corrects_nothing(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        began = rows("SELECT now() - interval '1 minute'")[0][0]
        guessed, usage = ask(tenant, "guessed"), Usage(10, 10, 0, estimated=True)
        settle(actor=tenant.system(), reservation=guessed, usage=usage, cost=Decimal("0.002"), prices=PRICES)
        period = Period("default", began, began + timedelta(minutes=9))
        lie = {guessed.id: Usage(10, 10**12)}
        number = reconcile(actor=tenant.system(), period=period, counted=lie, price_of=lambda _: PRICES)
        assert total_spent() == Decimal("0.002")
        [told] = differences(number)
        assert (told.corrected, told.kind) == (False, "amount")


def _tried(tenant: TestTenant, call: uuid.UUID, amount: str) -> str:
    """What a second person, or the same form sent twice, is told."""
    with closing(connection), tenant_scope(tenant.schema):
        try:
            adjust(tenant, call, "0", amount)
        except Stale as told:
            return type(told).__name__
        return ""


def test_a_difference_is_put_right_on_its_page_and_by_the_api(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        began = rows("SELECT now() - interval '1 minute'")[0][0]
        back, paid = ask(tenant, "back"), ask(tenant, "paid")
        release(actor=tenant.system(), reservation=back)
        settle(actor=tenant.system(), reservation=paid, usage=Usage(10, 10), cost=Decimal("0.002"), prices=PRICES)
        counted = {back.id: Usage(100, 20), paid.id: Usage(10, 30)}
        period = Period("default", began, began + timedelta(minutes=9))
        number = reconcile(actor=tenant.system(), period=period, counted=counted, price_of=lambda _: PRICES)
        told = {one.key: one for one in differences(number)}
        assert (told["back"].kind, [row.open for row in reconciliations()]) == ("uncharged", [2])
        before = total_spent()
    admin, viewer = signed_in(tenant, tenant.member("admin")), signed_in(tenant, tenant.member("viewer"))
    place = f"/costs/differences/{told['back'].id}/"
    shown = f"/costs/reconciliations/?show={number}"
    assert place in admin.get(shown).content.decode()
    assert place not in viewer.get(shown).content.decode()
    sent = {"charged": "0", "cost": str(told["back"].provider_cost), "reason": "They answered; we never heard it."}
    assert viewer.submit(place, sent, form_at="/pause/").status_code == 403
    assert admin.submit(place, {**sent, "reason": "No."}).status_code == 422
    assert admin.submit(place, sent).status_code == 302
    assert admin.submit(place, sent).status_code == 412, "the form sent twice"
    assert "Put right" in admin.get(shown).content.decode()
    api = program(tenant, tokens_of(tenant, tenant.member("admin"))["access"])
    body = {"reservation": str(paid.id), "charged": "0.002", "cost": "0.0015", "reason": "Half of it was given back."}
    made = api.post("/api/v1/ledger/adjustments/", body, content_type="application/json")
    assert (made.status_code, Decimal(made.json()["difference"])) == (201, Decimal("-0.0005"))
    assert api.post("/api/v1/ledger/adjustments/", body, content_type="application/json").status_code == 412
    with tenant_scope(tenant.schema):
        assert total_spent() == before + told["back"].provider_cost - Decimal("0.0005")
        assert [row.open for row in reconciliations()] == [1], "a person decided otherwise than the provider"
        [late, *_] = [line for line in entries_of("owner", "run:318") if line.key == "back"]
        assert (late.tokens_in, late.tokens_out, late.reason) == (100, 20, sent["reason"])
        counters_equal_entries()


def test_the_database_refuses_a_second_owner_of_a_cost(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        paid = ask(tenant, "a", {"task": "SHOP-1.1"})
        settle(actor=tenant.system(), reservation=paid, usage=Usage(10, 10), cost=Decimal("0.02"), prices=PRICES)
        columns = (
            "reservation_id, owner, agent, cost_kind, task, model, provider, price_version, trace_id, operation_id,"
        )
        columns += " counted_at"
        copy = (
            "INSERT INTO governance_ledgerentry (kind, spent_delta, project, strategy, story, run, api_key, reason,"
            " {columns})"
            " SELECT 'adjust', {spent}, '', '', '', '', '', '', reservation_id, owner, agent, cost_kind, {task}, model,"
            " provider, price_version, trace_id, operation_id, counted_at FROM governance_ledgerentry WHERE kind = 'commit'"
        )
        with pytest.raises(DatabaseError, match="belongs to whom"), connection.cursor() as cursor:
            cursor.execute(copy.format(columns=columns, spent="0.01", task="'SHOP-9.9'"))
        for statement in ("UPDATE governance_reservation SET task = 'SHOP-9.9'", "DELETE FROM governance_reservation"):
            with pytest.raises(DatabaseError, match=r"cannot be changed|append-only"), connection.cursor() as cursor:
                cursor.execute(statement)


def test_a_limit_set_while_a_call_is_open_counts_it(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        first = ask(tenant, "a", {"api_key": "7"})
        set_limit(
            actor=tenant.actor("admin"),
            kind=ScopeKind.API_KEY,
            scope_id="7",
            window=Window.HOUR,
            amount=Decimal("0.015"),
        )
        [key] = budgets(kind=ScopeKind.API_KEY)
        assert (key.reserved, key.left) == (Decimal("0.01"), Decimal("0.005"))
        with pytest.raises(LimitExceeded, match="hour limit of api_key 7"):
            ask(tenant, "b", {"api_key": "7"})
        settle(actor=tenant.system(), reservation=first, usage=Usage(1, 1), cost=Decimal("0.001"), prices=PRICES)
        [key] = budgets(kind=ScopeKind.API_KEY)
        assert (key.reserved, key.spent) == (Decimal(0), Decimal("0.001"))
