"""Models and prices in the owner console, what the console cannot read, and the platform's answers to probes."""

import itertools
import os
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import ProgrammingError, connection
from django.test import Client
from pytest_django.fixtures import Settings

from gateway.models import Deployment, Price, Route
from gateway.routing import targets_for
from guildhall.evidence.selectors import recent
from guildhall.kernel.tenancy import platform_scope
from tests.support.clients import Browser, signed_in
from tests.support.console import console, errors, new_owner, recorded
from tests.support.tenants import TestTenant
from workflows.actions.projects import create_project

pytestmark = pytest.mark.integration
_numbers = itertools.count(1)
DEPLOYMENTS, ROUTES, PRICES = (f"/admin/gateway/{name}/" for name in ("deployment", "route", "price"))


@pytest.fixture
def browser(database: None) -> Browser:
    return console(new_owner())


def unique(word: str) -> str:
    return f"{word}-{os.getpid()}-{next(_numbers)}"


def filled(**values: Any) -> dict[str, Any]:
    """A deployment's form."""
    return {
        "name": unique("d"),
        "base_url": "https://models.example/v1",
        "model": unique("m"),
        "credential": "",
        "context_tokens": "8192",
        "slots": "0",
        "supports_schema": "on",
        "timeout_s": "60",
        "active": "on",
        **values,
    }


def price(model: str, **values: Any) -> dict[str, Any]:
    """A price's form."""
    parts = {"tokens_in": "1.5", "tokens_out": "6", "tokens_cached": "0.25"}
    return {"model": model, "version": unique("v"), "valid_from": "2026-11-01", **parts, **values}


def added(browser: Browser, form: dict[str, Any]) -> Deployment:
    answer = browser.submit(f"{DEPLOYMENTS}add/", form)
    assert answer.status_code == 302, errors(answer)
    with platform_scope():
        return Deployment.objects.get(name=form["name"])


def test_a_deployment_a_route_and_a_price_made_here_serve_calls(browser: Browser) -> None:
    deployment = added(browser, filled())
    route = unique("r")
    place = {"name": route, "rank": "1", "deployment": str(deployment.pk)}
    assert browser.submit(f"{ROUTES}add/", place).status_code == 302
    assert browser.submit(f"{PRICES}add/", price(deployment.model)).status_code == 302
    with platform_scope():
        target = targets_for(route)[0]
        entries = {entry["kind"]: entry for entry in recent(limit=3)}
    assert (target.deployment, target.prices.tokens_out) == (deployment.name, Decimal(6))
    assert set(entries) == {"gateway.deployment.added", "gateway.route.added", "gateway.price.added"}
    assert all(entry["actor"]["kind"] == "owner" for entry in entries.values())
    assert entries["gateway.price.added"]["event"]["tokens_in"] == "1.5"


def test_a_changed_deployment_is_recorded_with_what_changed(browser: Browser) -> None:
    form = filled()
    deployment = added(browser, form)
    url = f"{DEPLOYMENTS}{deployment.pk}/change/"
    assert "Nothing was changed." in str(errors(browser.submit(url, form)))
    del form["active"]
    assert browser.submit(url, {**form, "timeout_s": "90"}).status_code == 302
    with platform_scope():
        deployment.refresh_from_db()
    assert (deployment.active, deployment.timeout_s) == (False, 90)
    changes = recorded(f"deployment:{deployment.pk}", kind="gateway.deployment.changed")
    assert [entry["event"]["changed"] for entry in changes] == [["timeout_s", "active"]]
    history = browser.get(f"{DEPLOYMENTS}{deployment.pk}/history/", follow=True).content.decode()
    assert f"changed timeout_s, active of the deployment {deployment.name}" in history


@pytest.mark.parametrize(
    "base_url",
    [
        "https://user:secret@models.example/v1",
        "https://models.example/v1?key=secret",
        "ftp://models.example/",
        "nothing",
    ],
)
def test_an_address_with_a_secret_or_another_scheme_is_refused(browser: Browser, base_url: str) -> None:
    form = filled(base_url=base_url)
    assert "base_url" in errors(browser.submit(f"{DEPLOYMENTS}add/", form))
    with platform_scope():
        assert not Deployment.objects.filter(name=form["name"]).exists()


def test_places_of_a_route_change_and_the_last_one_stays(browser: Browser) -> None:
    first, second = added(browser, filled()), added(browser, filled())
    name = unique("r")
    for rank, deployment in ((1, first), (2, second)):
        answer = browser.submit(f"{ROUTES}add/", {"name": name, "rank": rank, "deployment": deployment.pk})
        assert answer.status_code == 302, errors(answer)
    taken = browser.submit(f"{ROUTES}add/", {"name": name, "rank": 2, "deployment": first.pk})
    assert errors(taken)
    with platform_scope():
        top, other = Route.objects.filter(name=name)
    assert browser.submit(f"{ROUTES}{other.pk}/change/", {"rank": 3, "deployment": first.pk}).status_code == 302
    for place in (top, other):
        browser.submit(f"{ROUTES}{place.pk}/delete/", {"post": "yes"})
    with platform_scope():
        assert list(Route.objects.filter(name=name).values_list("rank", "deployment")) == [(3, first.pk)]
    kinds = [entry["kind"] for entry in recorded(f"route:{name}")]
    assert kinds == ["gateway.route.removed", "gateway.route.changed", "gateway.route.added", "gateway.route.added"]


def test_prices_are_added_and_never_changed_or_deleted(browser: Browser) -> None:
    form = price(unique("m"))
    assert browser.submit(f"{PRICES}add/", form).status_code == 302
    assert errors(browser.submit(f"{PRICES}add/", form))
    assert "tokens_in" in errors(browser.submit(f"{PRICES}add/", price(unique("m"), tokens_in="cheap")))
    assert errors(browser.submit(f"{PRICES}add/", price(unique("m"), tokens_in="-1")))
    with platform_scope():
        row = Price.objects.get(model=form["model"])
    for act, data in (("change", {**form, "tokens_in": "0"}), ("delete", {"post": "yes"})):
        answer = browser.submit(f"{PRICES}{row.pk}/{act}/", data, form_at=f"{PRICES}add/")
        assert answer.status_code == 403, act
    with platform_scope():
        for statement in (
            "UPDATE gateway_price SET tokens_in = 0 WHERE id = %s",
            "DELETE FROM gateway_price WHERE id = %s",
        ):
            with pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
                cursor.execute(statement, [row.pk])
        assert Price.objects.get(pk=row.pk).tokens_in == Decimal("1.5")
        assert row.valid_from == date(2026, 11, 1)


def test_the_console_can_read_nothing_of_a_tenants_own(tenant: TestTenant, browser: Browser) -> None:
    with tenant.scope():
        create_project(
            actor=tenant.actor("admin"), key="HUSH", name="Secret plan", repository="hush", ci_command="true"
        )
    with platform_scope():
        with connection.cursor() as cursor:
            cursor.execute("SELECT has_schema_privilege(current_user, %s, 'USAGE')", [tenant.schema])
            assert cursor.fetchone() == (False,)
        for table in ("workflows_project", "workflows_story", "governance_approval"):
            with pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {tenant.schema}.{table}")
        assert tenant.schema not in {entry["subject"] for entry in recent(limit=500)}
    signed_in(tenant, tenant.member("admin"))
    trail = browser.get("/admin/audit/").content.decode()
    assert "Secret plan" not in trail
    assert tenant.actor("admin").ref not in trail


def test_the_audit_page_filters_pages_and_changes_nothing(browser: Browser) -> None:
    names = [added(browser, filled()).name for _ in range(2)]
    found = browser.get("/admin/audit/?outcome=done").content.decode()
    assert all(f"added the deployment {name}" in found for name in names)
    with platform_scope():
        latest = recent(limit=1)[0]["id"]
    older = browser.get(f"/admin/audit/?before={latest}").content.decode()
    assert names[0] in older
    assert names[1] not in older
    assert browser.get("/admin/audit/?before=x&outcome=maybe&subject=nobody&since=yesterday").status_code == 200
    worded = browser.get(f"/admin/audit/?text={names[1]}&kind=gateway.").content.decode()
    assert names[1] in worded
    assert f"added the deployment {names[0]}" not in worded
    empty = browser.get(f"/admin/audit/?text={names[1]}&until=2026-01-01").content.decode()
    assert "Nothing was recorded that fits" in empty
    assert browser.submit("/admin/audit/", {"outcome": "done"}, form_at=f"{ROUTES}add/").status_code == 405


def test_only_the_console_goes_without_the_content_security_policy(browser: Browser) -> None:
    for path in ("/", "/sign-in/", "/account/security/", "/health", "/administration/"):
        assert "Content-Security-Policy" in browser.get(path), path
    assert "Content-Security-Policy" not in browser.get("/admin/")


def test_probes_are_answered_on_both_hosts_to_anybody(
    residents: tuple[TestTenant, TestTenant], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for host in (settings.PUBLIC_HOST, residents[0].host):
        client = Client(HTTP_HOST=host)
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/readiness").json() == {"status": "ready", "database": True, "redis": True}
        assert client.post("/health").status_code == 405
    client = Client(HTTP_HOST=settings.PUBLIC_HOST)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/readiness")
    assert (answer.status_code, answer.json()["redis"], answer.json()["database"]) == (503, False, True)
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "127.0.0.1")
    monkeypatch.setitem(settings.DATABASES["default"], "PORT", "1")
    answer = client.get("/readiness")
    assert (answer.status_code, answer.json()["database"]) == (503, False)
    assert client.get("/health").status_code == 200
