"""Money: what is reserved, charged and given back, on committed data as the application's own login."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection

from governance.actions.holds import lift_hold, place_hold
from governance.actions.limits import remove_limit, set_limit
from governance.actions.money import expire_reservations, release, reserve, settle
from governance.pricing import UnitPrices, Usage, cost
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import budgets, entries_of, spend_by, total_spent
from governance.tests.tools import an_hour_passes, counters_equal_entries, kinds_recorded, let_leases_end
from governance.views import ReservationRef
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid, LimitExceeded, NotFound
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration

PRICES = UnitPrices(Decimal("0.10"), Decimal("0.40"), Decimal("0.05"))
SOME = Usage(10, 10)
ZERO = Decimal(0)


def ask(
    tenant: TestTenant, key: str, amount: str = "0.10", *, task: str = "SHOP-1.1", run: str = "318", ttl_s: float = 60
) -> ReservationRef:
    return reserve(
        actor=tenant.agent("developer", "mason"),
        key=key,
        amount=Decimal(amount),
        scopes=[Scope(ScopeKind.STRATEGY, "4"), Scope(ScopeKind.TASK, task), Scope(ScopeKind.RUN, run)],
        owner=f"run:{run}",
        model="small",
        price_version="2026-11",
        ttl_s=ttl_s,
    )


def charge(tenant: TestTenant, reservation: ReservationRef, amount: str) -> ReservationRef:
    return settle(actor=tenant.system(), reservation=reservation, usage=SOME, cost=Decimal(amount), prices=PRICES)


def test_a_call_is_charged_what_it_cost_and_the_rest_is_free_again(tenant: TestTenant) -> None:
    usage = Usage(1000, 500, 200)
    spent = cost(usage, PRICES)
    with tenant_scope(tenant.schema):
        reservation = ask(tenant, "a")
        [task] = budgets(kind=ScopeKind.TASK)
        assert (task.reserved, task.spent, task.left) == (Decimal("0.10"), ZERO, Decimal("0.40"))
        settled = settle(
            actor=tenant.agent("developer", "mason"), reservation=reservation, usage=usage, cost=spent, prices=PRICES
        )
        assert (settled.state, settled.cost) == ("committed", spent)
        assert {(b.reserved, b.spent) for b in budgets()} == {(ZERO, spent)}
        assert total_spent() == spent == Decimal("0.00029")
        [commit, _] = entries_of("run", "318")
        assert (commit.tokens_in, commit.tokens_out, commit.tokens_cached) == (1000, 500, 200)
        counters_equal_entries()


def test_a_new_tenant_has_the_shipped_limits(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        ask(tenant, "a")
        assert {(b.scope_kind, b.window): b.limit for b in budgets()} == {
            ("tenant", "day"): 10,
            ("tenant", "hour"): 2,
            ("task", "total"): Decimal("0.50"),
        }


def test_the_refusal_names_the_limit_what_is_left_and_until_when(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        ask(tenant, "a", "0.45")
        with pytest.raises(LimitExceeded) as task:
            ask(tenant, "b", "0.06")
        assert "0.05 USD of 0.50 USD is left in the total limit of task SHOP-1.1" in task.value.detail
        assert task.value.extra["until"] is None
        for number in range(3):
            ask(tenant, f"more-{number}", "0.50", task=f"SHOP-2.{number}")
        with pytest.raises(LimitExceeded) as hour:
            ask(tenant, "c", "0.06", task="SHOP-9.1")
        assert (hour.value.extra["window"], Decimal(hour.value.extra["left"])) == ("hour", Decimal("0.05"))
        assert hour.value.extra["until"] is not None
        counters_equal_entries()
    assert kinds_recorded(tenant).count("governance.budget.refused") == 2


def test_settling_twice_charges_once_and_returns_the_first(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        reservation = ask(tenant, "a")
        first = charge(tenant, reservation, "0.02")
        again = charge(tenant, reservation, "0.09")
        assert first == again
        assert total_spent() == Decimal("0.02")
        counters_equal_entries()


def test_the_same_key_gives_the_same_open_reservation(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        first, again = ask(tenant, "a"), ask(tenant, "a")
        assert first.id == again.id
        assert again.expires_at >= first.expires_at
        [task] = budgets(kind=ScopeKind.TASK)
        assert task.reserved == Decimal("0.10")
        with pytest.raises(Conflict, match="in use for another call"):
            ask(tenant, "a", "0.20")
        charge(tenant, first, "0.02")
        with pytest.raises(Conflict, match="paid for a call already"):
            ask(tenant, "a")
        counters_equal_entries()


def test_a_released_key_can_be_used_again_and_a_released_reservation_cannot_be_charged(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        first = ask(tenant, "a")
        assert release(actor=tenant.system(), reservation=first).state == "released"
        assert release(actor=tenant.system(), reservation=first).state == "released"
        with pytest.raises(Conflict, match="was released"):
            charge(tenant, first, "0.02")
        second = ask(tenant, "a")
        assert second.id != first.id
        charge(tenant, second, "0.02")
        assert release(actor=tenant.system(), reservation=second).state == "committed"
        counters_equal_entries()


def test_a_lease_that_ends_is_released_and_a_late_answer_still_charged(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        gone, waiting = ask(tenant, "a", ttl_s=0.001), ask(tenant, "b")
        let_leases_end(gone)
        assert expire_reservations(actor=tenant.system()) == 1
        assert expire_reservations(actor=tenant.system()) == 0
        [task] = budgets(kind=ScopeKind.TASK)
        assert task.reserved == waiting.amount
        late = charge(tenant, gone, "0.03")
        assert (late.state, late.cost) == ("expired", Decimal("0.03"))
        assert charge(tenant, gone, "0.04").cost == Decimal("0.03")
        assert total_spent() == Decimal("0.03")
        assert ask(tenant, "a").id != gone.id
        counters_equal_entries()


def test_more_than_was_reserved_is_charged_truthfully_and_nothing_more_is_granted(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        charge(tenant, ask(tenant, "a", "0.50"), "0.75")
        [task] = budgets(kind=ScopeKind.TASK)
        assert (task.spent, task.left) == (Decimal("0.75"), ZERO)
        with pytest.raises(LimitExceeded):
            ask(tenant, "b", "0.0000000001")
        counters_equal_entries()
    assert "governance.budget.overrun" in kinds_recorded(tenant)


def test_alerts_come_once_each_at_80_95_and_100_percent_of_a_window(tenant: TestTenant) -> None:
    hour: dict[str, Any] = {"kind": ScopeKind.TENANT, "scope_id": "", "window": Window.HOUR}
    with tenant_scope(tenant.schema):
        for number, amount in enumerate(["0.41", "0.01", "0.06", "0.02"]):
            charge(tenant, ask(tenant, str(number), amount), amount)
        assert kinds_recorded(tenant).count("governance.budget.alert") == 3, "of the task; none is told twice"
        set_limit(actor=tenant.actor("admin"), amount=Decimal("0.60"), **hour)
        charge(tenant, ask(tenant, "more", "0.01", task="SHOP-1.2"), "0.01")
        charge(tenant, ask(tenant, "still", "0.01", task="SHOP-1.2"), "0.01")
        assert kinds_recorded(tenant).count("governance.budget.alert") == 4, "the hour's, at 80 %"
        an_hour_passes()
        charge(tenant, ask(tenant, "next", "0.49", task="SHOP-1.3"), "0.49")
    assert kinds_recorded(tenant).count("governance.budget.alert") == 6, "the hour's again, and the third task's"


def test_every_breakdown_adds_up_to_the_total(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        for number in range(6):
            charge(tenant, ask(tenant, str(number), task=f"SHOP-1.{number % 2}", run=str(number % 3)), f"0.00{number}7")
        late = ask(tenant, "late", ttl_s=0.001)
        let_leases_end(late)
        expire_reservations(actor=tenant.system())
        charge(tenant, late, "0.0000000001")
        for dimension in ("project", "strategy", "story", "task", "run", "api_key", "owner", "model"):
            assert sum(line.spent for line in spend_by(dimension)) == total_spent() == Decimal("0.0192000001")


def test_a_limit_set_in_the_middle_counts_what_was_spent(tenant: TestTenant) -> None:
    admin = tenant.actor("admin")
    with tenant_scope(tenant.schema):
        charge(tenant, ask(tenant, "a", "0.10"), "0.08")
        set_limit(actor=admin, kind=ScopeKind.RUN, scope_id="318", window=Window.DAY, amount=Decimal("0.10"))
        with pytest.raises(LimitExceeded, match=r"0\.02 USD of 0\.10 USD"):
            ask(tenant, "b", "0.03")
        set_limit(actor=admin, kind=ScopeKind.TASK, scope_id="", window=Window.TOTAL, amount=Decimal("0.05"))
        [task] = budgets(kind=ScopeKind.TASK)
        assert (task.limit, task.spent, task.left) == (Decimal("0.05"), Decimal("0.08"), ZERO)
        with pytest.raises(Denied, match="admin"):
            set_limit(
                actor=tenant.actor("developer"),
                kind=ScopeKind.TENANT,
                scope_id="",
                window=Window.DAY,
                amount=Decimal(1000),
            )
        counters_equal_entries()


def test_a_tenant_without_limits_spends_nothing(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM governance_budgetlimit")
        with pytest.raises(LimitExceeded, match="No budget is set"):
            ask(tenant, "a")


@pytest.mark.parametrize(
    ("kind", "target"), [("tenant", ""), ("strategy", "4"), ("run", "318"), ("agent", "agent:mason")]
)
def test_nothing_is_reserved_on_hold(tenant: TestTenant, kind: str, target: str) -> None:
    admin = tenant.actor("admin")
    with tenant_scope(tenant.schema):
        place_hold(actor=admin, kind=kind, target=target, reason="something is wrong")
        with pytest.raises(Conflict, match="on hold: something is wrong"):
            ask(tenant, "a")
        lift_hold(actor=admin, kind=kind, target=target)
        ask(tenant, "a")


def test_another_tenants_reservation_does_not_exist(tenant: TestTenant, other_tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        mine = ask(tenant, "a")
    with tenant_scope(other_tenant.schema):
        attempts: list[Callable[[], object]] = [
            lambda: charge(other_tenant, mine, "0.01"),
            lambda: release(actor=other_tenant.system(), reservation=mine.id),
        ]
        for act in attempts:
            with pytest.raises(NotFound):
                act()
        with pytest.raises(NotFound):
            release(actor=other_tenant.system(), reservation=uuid4())


@pytest.mark.parametrize("statement", ["UPDATE {} SET spent_delta = 0", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_ledger_only_grows(tenant: TestTenant, statement: str) -> None:
    with tenant_scope(tenant.schema):
        ask(tenant, "a")
        with pytest.raises(DatabaseError, match="permission denied"), connection.cursor() as cursor:
            cursor.execute(statement.format("governance_ledgerentry"))


def test_the_database_refuses_to_overspend_whatever_the_code_does(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        ask(tenant, "a")
        for change in ("reserved = reserved + 100", "spent = spent + 100", "reserved = -1"):
            with pytest.raises(DatabaseError, match="budget_"), connection.cursor() as cursor:
                cursor.execute(f"UPDATE governance_budgetcounter SET {change}")


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity"])
def test_nonsense_is_not_reserved(tenant: TestTenant, amount: str) -> None:
    with tenant_scope(tenant.schema), pytest.raises(Invalid):
        ask(tenant, "a", amount)
    with tenant_scope(tenant.schema), pytest.raises(Invalid):
        charge(tenant, ask(tenant, "a"), amount if amount != "0" else "-0.01")


def test_a_limit_that_is_taken_away_leaves_its_kinds_default_or_none(tenant: TestTenant) -> None:
    admin, total = tenant.actor("admin"), Window.TOTAL
    task, run = (ScopeKind.TASK, "SHOP-1.1"), (ScopeKind.RUN, "318")

    def put(scope: tuple[ScopeKind, str], amount: int) -> None:
        set_limit(actor=admin, kind=scope[0], scope_id=scope[1], window=total, amount=Decimal(amount))

    def take(scope: tuple[ScopeKind, str], *, by: Actor = admin) -> None:
        remove_limit(actor=by, kind=scope[0], scope_id=scope[1], window=total)

    with tenant_scope(tenant.schema):
        with pytest.raises(Denied):
            take(task, by=tenant.actor("developer"))
        put(task, 5)
        put(run, 1)
        charge(tenant, ask(tenant, "a", "0.40"), "0.40")
        take(task)
        with pytest.raises(LimitExceeded, match="of task SHOP"):
            ask(tenant, "b", "0.11")
        take(run)
        with pytest.raises(NotFound):
            take(run)
        charge(tenant, ask(tenant, "c", "0.30", task="SHOP-1.2"), "0.30")
        put(run, 1)
        with pytest.raises(LimitExceeded, match="run 318"):
            ask(tenant, "d", "0.31", task="SHOP-1.3")
        assert {(b.limit, b.spent) for b in budgets(kind=ScopeKind.RUN)} == {(Decimal(1), Decimal("0.7"))}
        counters_equal_entries()
