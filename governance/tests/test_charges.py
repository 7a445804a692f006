"""Charges that are no call to a model, corrections, and that every breakdown of the ledger adds up."""

import random
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection

from governance.actions.charges import Use, adjust_cost, charge_use
from governance.actions.limits import set_limit
from governance.actions.money import expire_reservations, note_progress, release, reserve, settle
from governance.pricing import COMPUTE_SECOND, UnitPrices, Usage, cost
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import budgets, entries_of, spend_by, spend_by_day, total_spent
from governance.selectors.money import DIMENSIONS
from governance.tests.tools import counters_equal_entries, kinds_recorded, let_leases_end
from governance.views import ReservationRef
from guildhall.kernel.errors import Conflict, Denied, Invalid, LimitExceeded
from guildhall.kernel.tenancy import tenant_scope
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
                if kind != ScopeKind.TENANT and dice.random() < 0.7
            }
            usage = Usage(dice.randrange(1, 9000), dice.randrange(900), 0, estimated=dice.random() < 0.3)
            match dice.randrange(5):
                case 0:
                    charge_use(actor=tenant.system(), use=compute(f"use-{step}", f"{dice.randrange(90)}.123457", **of))
                case 1:
                    release(actor=tenant.system(), reservation=ask(tenant, f"back-{step}", of))
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
                            adjust_cost(actor=tenant.actor("admin"), reservation=paid.id, cost=more, reason=WHY)
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


def test_people_adjust_with_a_reason_and_nobody_else_does(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        paid = ask(tenant, "a", {"task": "SHOP-1.1"})
        with pytest.raises(Conflict, match="never charged"):
            adjust_cost(actor=tenant.actor("admin"), reservation=paid.id, cost=Decimal(0), reason=WHY)
        settle(actor=tenant.system(), reservation=paid, usage=Usage(10, 10), cost=Decimal("0.02"), prices=PRICES)
        attempts: list[tuple[type[Exception], Callable[[], object]]] = [
            (
                Denied,
                lambda: adjust_cost(actor=tenant.actor("developer"), reservation=paid.id, cost=Decimal(0), reason=WHY),
            ),
            (Denied, lambda: adjust_cost(actor=tenant.system(), reservation=paid.id, cost=Decimal(0), reason=WHY)),
            (
                Invalid,
                lambda: adjust_cost(actor=tenant.actor("admin"), reservation=paid.id, cost=Decimal(0), reason="no"),
            ),
            (
                Invalid,
                lambda: adjust_cost(actor=tenant.actor("admin"), reservation=paid.id, cost=Decimal(-1), reason=WHY),
            ),
        ]
        for problem, attempt in attempts:
            with pytest.raises(problem):
                attempt()
        changed = adjust_cost(actor=tenant.actor("admin"), reservation=paid.id, cost=Decimal("0.005"), reason=WHY)
        assert (changed, total_spent()) == (Decimal("-0.015"), Decimal("0.005"))
        [newest, *_] = entries_of("task", "SHOP-1.1")
        assert (newest.kind, newest.reason, newest.spent_delta) == ("adjust", WHY, Decimal("-0.015"))
        counters_equal_entries()
    assert "governance.budget.adjusted" in kinds_recorded(tenant)


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
