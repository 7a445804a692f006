"""Pages of money: they add up to the ledger, say who may do what, and take nothing that is no amount."""

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.actions.limits import set_limit
from governance.actions.money import release, reserve, settle
from governance.pricing import UnitPrices, Usage
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import budgets, spend_by, total_spent
from governance.selectors.money import DIMENSIONS
from governance.tests.tools import rows
from gpu_workers.actions.registry import create_repository as register_repository
from guildhall.kernel.tenancy import tenant_scope
from tests.support.browsers import browsers
from tests.support.clients import Browser, program, tokens_of
from tests.support.pages import text_of
from tests.support.tenants import TestTenant
from workflows.actions import create_project, create_story

pytestmark = pytest.mark.integration
__all__ = ["browsers"]
PRICES = UnitPrices(Decimal("0.10"), Decimal("0.40"), Decimal("0.05"))
LIMITS, LEDGER = "/costs/limits/", "/costs/ledger/"
CALLS = [
    ("mason", "SHOP-1", "1", "small", "0.0000000001"),
    ("mason", "SHOP-1", "1", "large", "0.2500000000"),
    ("wren", "SHOP-2", "2", "small", "0.0100000003"),
    ("wren", "SHOP-2", "2", "=cmd|' /C calc'!A0", "0.0070000000"),
    *[("quill", f"SHOP-{number}", str(number), f"model-{number}", "0.0012345678") for number in range(3, 14)],
]


def pay(house: TestTenant, number: int, agent: str, story: str, run: str, model: str, cost: str) -> None:
    reservation = reserve(
        actor=house.agent("developer", agent),
        key=f"call-{number}",
        amount=Decimal("0.30"),
        scopes=[Scope(ScopeKind.STORY, story), Scope(ScopeKind.RUN, run), Scope(ScopeKind.TASK, f"{story}.{number}")],
        owner=f"run:{run}",
        model=model,
        price_version="2026-11",
        ttl_s=60,
    )
    if number % 5 == 4:
        release(actor=house.system(), reservation=reservation)
        return
    settle(actor=house.system(), reservation=reservation, usage=Usage(100, 20), cost=Decimal(cost), prices=PRICES)


@pytest.fixture(scope="module")
def house(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    made = make_tenant()
    with tenant_scope(made.schema):
        admin = made.actor("admin")
        register_repository(actor=admin, name="shop", ci_command="true", head_sha="0" * 40)
        project = create_project(actor=admin, key="SHOP", name="Shop", repository="shop", ci_command="true")
        create_story(actor=made.actor("developer"), project=project, content={"title": "Returns"})
        set_limit(
            actor=made.actor("admin"), kind=ScopeKind.TENANT, scope_id="", window=Window.HOUR, amount=Decimal("5")
        )
        for number, call in enumerate(CALLS):
            pay(made, number, *call)
    return made


def exactly(amount: Decimal) -> str:
    """As tables write it."""
    whole, _, rest = f"{amount:,.10f}".partition(".")
    return f"${whole}.{rest.rstrip('0').ljust(2, '0')}"


@pytest.mark.parametrize("by", sorted(DIMENSIONS))
def test_every_chart_adds_up_to_the_ledger(house: TestTenant, browsers: Callable[[str], Browser], by: str) -> None:
    shown = text_of(browsers("viewer").get(f"/costs/?period=7d&by={by}"))
    with tenant_scope(house.schema):
        [(ledger,)] = rows("SELECT sum(spent_delta) FROM governance_ledgerentry")
        assert sum(line.spent for line in spend_by(by)) == total_spent() == ledger
    foot = re.search(r"<tfoot>.*?</tfoot>", shown, re.DOTALL)
    assert foot is not None
    *parts, together = [Decimal(text.replace(",", "")) for text in re.findall(r"\$([\d.,]+)", foot.group())]
    assert sum(parts) == together == ledger
    assert exactly(ledger) in shown
    body = re.search(r"<tbody>.*?</tbody>", shown, re.DOTALL)
    assert body is not None
    rows_ = [re.findall(r"\$([\d.,]+)", row) for row in body.group().split("</tr>") if "$" in row]
    assert all(sum(map(Decimal, row[:-1])) == Decimal(row[-1]) for row in rows_)
    assert sum(Decimal(row[-1]) for row in rows_) == ledger
    assert len(rows_) == 7


def test_a_chart_has_four_colours_at_most_and_names_what_it_found(browsers: Callable[[str], Browser]) -> None:
    shown = text_of(browsers("viewer").get("/costs/?by=model"))
    assert "Other" in shown
    assert "b s5" not in shown
    assert "stacked by model. Highest $0.28 on" in shown
    assert "=cmd" in shown
    assert "Show as table" in shown


def test_the_ledger_is_narrowed_by_its_address(browsers: Callable[[str], Browser]) -> None:
    viewer = browsers("viewer")
    wren = text_of(viewer.get(f"{LEDGER}?agent=agent:wren&kind=commit"))
    assert wren.count('<span class="gh-tag t-run">Spent</span>') == 2
    assert "$0.0170000003" in wren
    assert "No line fits this filter" in text_of(viewer.get(f"{LEDGER}?agent='; DROP TABLE x"))
    for bad in ("from=2026-13-01", "from=nonsense", "to=0001-01-01", "from=2026-11-02&to=2026-11-01"):
        answer = viewer.get(f"{LEDGER}?{bad}")
        assert (answer.status_code, 'role="alert"' in text_of(answer)) == (422, True), bad
        assert viewer.get(f"/costs/?{bad}").status_code == 422
        assert viewer.get(f"{LEDGER}export/?{bad}").status_code == 422
    assert viewer.get(f"{LEDGER}?before=99999999999999999999999").status_code == 200
    assert viewer.get("/costs/reconciliations/?show=1").status_code == 404


def test_pages_of_the_ledger_follow_each_other_without_a_gap(
    house: TestTenant, browsers: Callable[[str], Browser]
) -> None:
    first = text_of(browsers("viewer").get(LEDGER))
    with tenant_scope(house.schema):
        [(lines,)] = rows("SELECT count(*) FROM governance_ledgerentry")
    assert lines == 30
    assert first.count("<tr>") == lines + 1


def test_the_export_has_every_line_and_no_formula(house: TestTenant, browsers: Callable[[str], Browser]) -> None:
    answer = browsers("viewer").get(f"{LEDGER}export/")
    assert answer["Content-Disposition"] == 'attachment; filename="ledger.csv"'
    lines = list(csv.DictReader(io.StringIO("".join(part.decode() for part in answer.streaming_content))))  # type: ignore[attr-defined]
    with tenant_scope(house.schema):
        assert sum(Decimal(line["spent_usd"]) for line in lines) == total_spent()
        assert [line["id"] for line in lines] == [
            str(pk) for (pk,) in rows("SELECT id FROM governance_ledgerentry ORDER BY id DESC")
        ]
    assert {line["model"][:2] for line in lines if "cmd" in line["model"]} == {"'="}
    paid = [line for line in lines if line["kind"] == "commit"]
    assert {line["reserved_usd"] for line in paid} == {"-0.3000000000"}
    prices = tuple(f"{price:.10f}" for price in (PRICES.tokens_in, PRICES.tokens_out, PRICES.tokens_cached))
    assert {(line["price_in"], line["price_out"], line["price_cached"]) for line in paid} == {prices}
    assert f"{exactly(PRICES.tokens_in)} + {exactly(PRICES.tokens_out)} a million" in text_of(
        browsers("viewer").get(LEDGER)
    )
    with tenant_scope(house.schema):
        for by in ("story", "task", "run", "api_key", "provider", "owner"):
            sums: dict[str, Decimal] = {}
            for line in paid:
                sums[line[by]] = sums.get(line[by], Decimal(0)) + Decimal(line["spent_usd"])
            assert sums == {one.owner: one.spent for one in spend_by(by)}, by


def test_an_admin_sets_changes_and_removes_a_limit(house: TestTenant, browsers: Callable[[str], Browser]) -> None:
    admin, strategy = browsers("admin"), {"scope_kind": "story", "scope_id": "SHOP-1", "window": "total"}
    for amount in ("3.50", "4"):
        assert admin.submit(LIMITS, {**strategy, "amount": amount})["Location"] == LIMITS
    shown = text_of(admin.get(LIMITS))
    assert "Story SHOP-1" in shown
    assert "$4.00 in total" in shown
    place = f"{LIMITS}remove/?{urlencode(strategy)}"
    asked = text_of(admin.get(place))
    assert "Remove this limit?" in asked
    assert text_of(admin.get(LIMITS)).count("Story SHOP-1") >= 1, "asking removes nothing"
    assert admin.submit(f"{LIMITS}remove/", strategy, form_at=place)["Location"] == LIMITS
    assert admin.get(place).status_code == 404
    with tenant_scope(house.schema):
        assert not budgets(kind=ScopeKind.STORY, scope_id="SHOP-1")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": "NaN"}, "amount"),
        ({"amount": "Infinity"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "99999999999999999999"}, "amount"),
        ({"amount": "0.00000000001"}, "amount"),
        ({"amount": "a lot"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"scope_kind": "planet"}, "scope_kind"),
        ({"window": "year"}, "window"),
        ({"scope_id": "x" * 121}, "scope_id"),
        ({"scope_kind": "tenant"}, "scope_id"),
        ({"scope_id": "SHOP-1.1"}, "scope_id"),
        ({"scope_kind": "story", "scope_id": "SHOP-999"}, "scope_id"),
        ({"scope_kind": "story", "scope_id": "shop-1"}, "scope_id"),
        ({"scope_kind": "project", "scope_id": "TILL"}, "scope_id"),
        ({"scope_kind": "strategy", "scope_id": "SHOP"}, "scope_id"),
        ({"scope_kind": "strategy", "scope_id": "99999999999999999999"}, "scope_id"),
        ({"scope_kind": "run", "scope_id": "1"}, "scope_id"),
        ({"scope_kind": "api_key", "scope_id": "1"}, "scope_id"),
    ],
)
def test_what_is_no_limit_is_said_at_its_field(
    house: TestTenant, browsers: Callable[[str], Browser], change: dict[str, str], field: str
) -> None:
    sent = {"scope_kind": "task", "scope_id": "SHOP-1.1", "window": "day", "amount": "1", **change}
    answer = browsers("admin").submit(LIMITS, sent)
    shown = text_of(answer)
    assert (answer.status_code, "form-hint t-bad" in shown) == (422, True)
    if field == "amount" and sent["amount"]:
        assert f'value="{sent["amount"]}"' in shown, "what was typed is kept"
    with tenant_scope(house.schema):
        assert rows("SELECT count(*) FROM governance_budgetlimit WHERE scope_id <> ''") == [(0,)]


def test_only_admins_change_limits_and_clients_see_no_money(
    house: TestTenant, browsers: Callable[[str], Browser]
) -> None:
    sent = {"scope_kind": "tenant", "scope_id": "", "window": "day", "amount": "1000"}
    for role in ("product_owner", "viewer"):
        browser = browsers(role)
        assert "Set the limit" not in text_of(browser.get(LIMITS))
        assert browser.submit(LIMITS, sent, form_at="/pause/").status_code == 403
        assert browser.submit(f"{LIMITS}remove/", sent, form_at="/pause/").status_code == 403
    client = browsers("client")
    for place in (
        "/costs/",
        LEDGER,
        f"{LEDGER}export/",
        LIMITS,
        "/costs/reconciliations/",
        "/agents/",
        "/agents/mason/",
    ):
        assert client.get(place).status_code in (403, 404), place
    assert "/costs/" not in text_of(client.get("/"))
    with tenant_scope(house.schema):
        assert {one.limit for one in budgets(kind=ScopeKind.TENANT)} == {10, 5}


def test_pages_of_money_ask_the_same_whatever_there_is(house: TestTenant, browsers: Callable[[str], Browser]) -> None:
    viewer = browsers("viewer")
    counts: dict[str, list[int]] = {}
    for more in (False, True):
        if more:
            with tenant_scope(house.schema):
                for number in range(100, 112):
                    pay(house, number * 5, "finch", f"SHOP-{number}", str(number), f"more-{number}", "0.001")
        for place in ("/costs/?by=agent", LEDGER, LIMITS, "/agents/"):
            viewer.get(place)
            with CaptureQueriesContext(connection) as asked:
                viewer.get(place)
            counts.setdefault(place, []).append(len(asked))
    assert all(len(set(found)) == 1 for found in counts.values()), counts


def test_the_api_tells_the_same_money(house: TestTenant, browsers: Callable[[str], Browser]) -> None:
    admin, client = house.member("admin"), house.member("client")
    api = program(house, tokens_of(house, admin)["access"])
    days = api.get("/api/v1/costs/days/?by=agent").json()
    assert sum(Decimal(line["spent"]) for line in days["lines"]) == Decimal(days["total"])
    with tenant_scope(house.schema):
        assert Decimal(days["total"]) == total_spent()
    first = api.get("/api/v1/ledger/?limit=3&kind=commit").json()
    second = api.get(f"/api/v1/ledger/?limit=3&kind=commit&before={first[-1]['id']}").json()
    numbers = [line["id"] for line in first + second]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 6
    assert {line["agent"] for line in api.get("/api/v1/ledger/?by=agent&id=agent:wren").json()} == {"agent:wren"}
    assert api.get("/api/v1/ledger/?by=run").status_code == 422
    assert {(Decimal(line["price_in"]), line["task"][:5]) for line in first} == {(PRICES.tokens_in, "SHOP-")}
    limits = {(one["scope_kind"], one["window"]): one for one in api.get("/api/v1/limits/").json()}
    assert limits[("task", "total")]["fullest"]["scope_id"].startswith("SHOP-1.")
    assert api.get("/api/v1/reconciliations/").json() == []
    assert program(house, tokens_of(house, client)["access"]).get("/api/v1/costs/days/").status_code == 403
